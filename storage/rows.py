"""Converts records to rows and back by name: a record's field is a column of the same name."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any
from zlib import decompress

import msgspec
from sqlalchemy import Row, Table

from bandit.types import Attempt, Ending, Json
from storage.records import CompletionRecord, DecisionRecord, OutcomeRecord, Status
from storage.tables import attempts, decisions

DECISION_FIELDS = tuple(field.name for field in fields(DecisionRecord) if field.name != "choice")
OUTCOME_FIELDS = tuple(field.name for field in fields(OutcomeRecord))
ATTEMPT_FIELDS = tuple(field.name for field in fields(Attempt))

_COMPRESSED = b"x"  # of zlib's header; records begin otherwise
_DETAILS = msgspec.json.Decoder(dict[str, int])


# Written out, because a look at each column's name takes three times as long; and with 0 and 1 for the truth, because
# SQLite's driver takes ten times as long to bind a bool. The writer's throughput shows both.

_RARE_OF_DECISION = (
    "instructions",
    "error_code",
    "valid",
    "episode_id",
    "judge_probability",
    "shadow_probability",
    "conversation",
    "experiment",
    "assignment",
)
_RARE_OF_ATTEMPT = ("first_token_seconds", "token_details")
_NO_RARE = (None,) * len(_RARE_OF_DECISION)


def _usual(table: Table, *others: str) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name not in others)


_USUAL_OF_DECISION = _usual(decisions, *_RARE_OF_DECISION, "shadow_model_id", "shadow_score")  # these come later
_USUAL_OF_ATTEMPT = _usual(attempts, *_RARE_OF_ATTEMPT)

DECISION_COLUMNS = (*_USUAL_OF_DECISION, *_RARE_OF_DECISION)
ATTEMPT_COLUMNS = (*_USUAL_OF_ATTEMPT, *_RARE_OF_ATTEMPT)
USUAL_OF_DECISION, USUAL_OF_ATTEMPT = len(_USUAL_OF_DECISION), len(_USUAL_OF_ATTEMPT)
"""Values of a row of which the rare ones are all NULL."""


def decision_row(record: CompletionRecord, choice_id: str, learned: str) -> tuple[object, ...]:
    """Make a request's row of `decisions`, in the order of `DECISION_COLUMNS`: without rare ones if all are NULL."""
    decision, outcome = record.decision, record.outcome
    usual = (
        decision.completion_id,
        decision.router_id,
        decision.key_id,
        decision.at,
        choice_id,
        decision.choice_digest,
        decision.algorithm,
        decision.policy,
        clean(decision.task),
        decision.drawn_model_id,
        decision.u,
        decision.propensity,
        1 if decision.randomised else 0,
        1 if decision.stream else 0,
        decision.estimated_prompt_tokens,
        decision.request_bytes,
        str(outcome.status),
        outcome.ended_at,
        outcome.seconds,
        outcome.overhead_seconds,
        outcome.model_id,
        outcome.attempts,
        outcome.prompt_tokens,
        outcome.cached_tokens,
        outcome.completion_tokens,
        outcome.cost_usd,
        1 if outcome.estimated else 0,
        outcome.finish_reason and clean(outcome.finish_reason),
        clean(outcome.reason),
        outcome.http_status,
        learned,
        1 if decision.explored else 0,
    )
    rare = (
        decision.instructions,
        outcome.error_code,
        outcome.valid,
        decision.episode_id,
        decision.judge_probability,
        decision.shadow_probability,
        decision.conversation,
        decision.experiment,
        decision.assignment,
    )
    if rare == _NO_RARE:
        return usual
    instructions, error_code, valid, *others = rare
    return (
        *usual,
        instructions and clean(instructions),
        error_code,
        None if valid is None else 1 if valid else 0,
        *others,
    )


def attempt_row(completion_id: str, attempt: Attempt) -> tuple[object, ...]:
    """Make an attempt's row of `attempts`, in the order of `ATTEMPT_COLUMNS`: without rare ones if all are NULL."""
    usual = (
        completion_id,
        attempt.number,
        attempt.model_id,
        attempt.propensity,
        1 if attempt.randomised else 0,
        str(attempt.ending),
        attempt.started_at,
        attempt.seconds,
        1 if attempt.stream else 0,
        attempt.status,
        clean(attempt.detail),
        attempt.finish_reason and clean(attempt.finish_reason),
        attempt.prompt_tokens,
        attempt.cached_tokens,
        attempt.completion_tokens,
        attempt.cost_usd,
        1 if attempt.estimated else 0,
        1 if attempt.cost_known else 0,
        1 if attempt.cost_stated else 0,
    )
    first_token_seconds, details = attempt.first_token_seconds, attempt.token_details
    if first_token_seconds is None and not details:
        return usual
    return (*usual, first_token_seconds, msgspec.json.encode(details).decode() if details else None)


def clean(text: str) -> str:
    """Replace what a database rejects: NUL (PostgreSQL) and lone surrogates (not UTF-8)."""
    if text.isascii():
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def clean_json(value: Json) -> Json:
    """Replace the same in the texts of a JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(name): clean_json(part) for name, part in value.items()}
    return [clean_json(part) for part in value] if isinstance(value, Sequence) else value


def read_choice_record(stored: bytes) -> bytes:
    """Read a choice's record, which older versions compressed."""
    return decompress(stored) if stored.startswith(_COMPRESSED) else stored


def read_decision(row: Row[Any], choice: bytes) -> DecisionRecord:
    """Read a decision from its row of `decisions` and its choice's record."""
    values = {name: row._mapping[name] for name in DECISION_FIELDS}
    return DecisionRecord(choice=choice, **{**values, "explored": bool(row.explored)})


def read_outcome(row: Row[Any]) -> OutcomeRecord:
    """Read an outcome from its row of `decisions`."""
    values = {name: row._mapping[name] for name in OUTCOME_FIELDS}
    return OutcomeRecord(**{**values, "status": Status(row.status)})


def read_attempt(row: Row[Any]) -> Attempt:
    """Read an attempt from its row of `attempts`."""
    values = {name: row._mapping[name] for name in ATTEMPT_FIELDS}
    details = _DETAILS.decode(row.token_details) if row.token_details else {}
    return Attempt(**{**values, "ending": Ending(row.ending), "token_details": details})
