"""Between records and rows: how a request, its attempts and its scores lie in their tables."""

from typing import Any

from sqlalchemy import Row

from bandit.types import Attempt, Ending
from storage.records import CompletionRecord, DecisionRecord, OutcomeRecord, Status


def decision_row(record: CompletionRecord, choice_id: str, learned: str) -> tuple[object, ...]:
    """A request as a row of `decisions`, in the order of its columns."""
    decision, outcome = record.decision, record.outcome
    return (
        decision.id,
        decision.router_id,
        decision.key_id,
        decision.at,
        choice_id,
        decision.choice_id,
        decision.algorithm,
        decision.policy,
        clean(decision.task),
        decision.model_id,
        decision.u,
        decision.propensity,
        decision.randomised,
        decision.stream,
        decision.prompt_tokens,
        decision.request_bytes,
        decision.instructions and clean(decision.instructions),
        outcome.status.value,
        outcome.at,
        outcome.seconds,
        outcome.overhead_seconds,
        outcome.model_id,
        outcome.attempts,
        outcome.prompt_tokens,
        outcome.cached_tokens,
        outcome.completion_tokens,
        outcome.cost_usd,
        outcome.estimated,
        outcome.finish_reason and clean(outcome.finish_reason),
        clean(outcome.reason),
        outcome.http_status,
        outcome.error_code,
        outcome.valid,
        learned,
    )


def attempt_row(decision_id: str, attempt: Attempt) -> tuple[object, ...]:
    """An attempt as a row of `attempts`, in the order of its columns."""
    return (
        decision_id,
        attempt.number,
        attempt.model_id,
        attempt.propensity,
        attempt.randomised,
        attempt.ending.value,
        attempt.started_at,
        attempt.seconds,
        attempt.stream,
        attempt.first_token_seconds,
        attempt.status,
        clean(attempt.detail),
        attempt.finish_reason and clean(attempt.finish_reason),
        attempt.prompt_tokens,
        attempt.cached_tokens,
        attempt.completion_tokens,
        attempt.cost_usd,
        attempt.estimated,
        attempt.cost_known,
    )


def clean(text: str) -> str:
    """Text that every database takes: no NUL (PostgreSQL refuses it), no lone surrogate (UTF-8 has none)."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def read_decision(row: Row[Any], choice: bytes) -> DecisionRecord:
    """A row of `decisions` as what was decided."""
    return DecisionRecord(
        id=row.id,
        router_id=row.router_id,
        key_id=row.key_id,
        at=row.at,
        choice_id=row.choice_digest,
        choice=choice,
        algorithm=row.algorithm,
        policy=row.policy,
        task=row.task,
        model_id=row.drawn_model_id,
        u=row.u,
        propensity=row.propensity,
        randomised=row.randomised,
        stream=row.stream,
        prompt_tokens=row.estimated_prompt_tokens,
        request_bytes=row.request_bytes,
        instructions=row.instructions,
    )


def read_outcome(row: Row[Any]) -> OutcomeRecord:
    """A row of `decisions` as what came of it."""
    return OutcomeRecord(
        status=Status(row.status),
        at=row.ended_at,
        seconds=row.seconds,
        overhead_seconds=row.overhead_seconds,
        model_id=row.model_id,
        attempts=row.attempts,
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        completion_tokens=row.completion_tokens,
        cost_usd=row.cost_usd,
        estimated=row.estimated,
        finish_reason=row.finish_reason,
        reason=row.reason,
        http_status=row.http_status,
        error_code=row.error_code,
        valid=row.valid,
    )


def read_attempt(row: Row[Any]) -> Attempt:
    """A row of `attempts`."""
    return Attempt(
        number=row.number,
        model_id=row.model_id,
        propensity=row.propensity,
        randomised=row.randomised,
        ending=Ending(row.ending),
        started_at=row.started_at,
        seconds=row.seconds,
        stream=row.stream,
        first_token_seconds=row.first_token_seconds,
        status=row.status,
        detail=row.detail,
        finish_reason=row.finish_reason,
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        completion_tokens=row.completion_tokens,
        cost_usd=row.cost_usd,
        estimated=row.estimated,
        cost_known=row.cost_known,
    )
