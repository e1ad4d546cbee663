"""Builds the record of a request: decision, attempts, outcome, and what the statistics learn from it."""

from bandit.learning import learn_attempt, merge
from bandit.quick import quick_replace
from bandit.statistics import StatisticKey, Sums
from bandit.types import Attempt, Ending, Epoch
from gateway.completions.attempts import AttemptLog
from gateway.completions.decision import Decision
from gateway.errors import GatewayError
from gateway.routing.published import Alike
from storage.records import CompletionRecord, Content, DecisionRecord, OutcomeRecord, Status

_NO_CALL = Attempt(0, "", 0.0, randomised=False, ending=Ending.FAILED, started_at=0.0, seconds=0.0, stream=False)
"""In place of the last call of a request that made none."""


def build_record(
    decision: Decision,
    attempts: AttemptLog,
    status: Status,
    *,
    key_id: str,
    ended_at: Epoch,
    seconds: float,
    reason: str,
    error: GatewayError | None = None,
    http_status: int = 200,
    content: Content | None = None,
) -> CompletionRecord:
    """The record of one request. Whether a structured answer is valid is recorded later."""
    done = attempts.done
    last = done[-1] if done else _NO_CALL
    answered = done and (status is Status.ANSWERED or status is Status.PARTIAL)
    own_seconds = seconds - attempts.provider_seconds
    return CompletionRecord(
        decision=_decision_record(decision, attempts, key_id),
        attempts=tuple(done),
        outcome=OutcomeRecord(
            status=status,
            ended_at=ended_at,
            seconds=seconds,
            overhead_seconds=own_seconds if own_seconds > 0.0 else 0.0,
            model_id=last.model_id if answered else None,
            attempts=len(done),
            prompt_tokens=last.prompt_tokens,
            cached_tokens=last.cached_tokens,
            completion_tokens=last.completion_tokens,
            cost_usd=attempts.cost_usd,
            estimated=attempts.is_estimated,
            finish_reason=last.finish_reason,
            reason=reason,
            http_status=error.status if error else http_status,
            error_code=error.code if error else None,
        ),
        deltas=_deltas(decision, done, ended_at),
        content=content,
    )


def _decision_record(decision: Decision, attempts: AttemptLog, key_id: str) -> DecisionRecord:
    """The record of a decision, from that of another one whose draw was the same."""
    alike, request, options = attempts.alike, decision.request, decision.router.options
    return quick_replace(
        alike.decision or _first_alike(decision, alike),
        completion_id=decision.completion_id,
        key_id=key_id,
        at=decision.at,
        u=decision.draw.u,
        estimated_prompt_tokens=decision.estimated_prompt_tokens,
        request_bytes=request.size,
        instructions=request.routing.instructions,
        episode_id=request.routing.episode_id,
        judge_probability=None if options.judge is None else options.judge.share,
        shadow_probability=None if options.shadow is None else options.shadow.share,
        conversation=None if decision.conversation is None else decision.conversation.hex(),
        assignment=decision.draw.assignment,
    )


def _first_alike(decision: Decision, alike: Alike) -> DecisionRecord:
    """The record of a decision with what all those share whose draw is the same: the rest is to be replaced."""
    cached, drawn = decision.cached, decision.draw
    alike.decision = DecisionRecord(
        completion_id=decision.completion_id,
        router_id=decision.router.id,
        key_id="",
        at=decision.at,
        choice_digest=cached.choice_digest,
        choice=cached.record,
        algorithm=cached.choice.algorithm,
        policy=cached.choice.policy,
        task=decision.context.task,
        drawn_model_id=drawn.model_id,
        u=drawn.u,
        propensity=drawn.propensity,
        randomised=drawn.randomised,
        stream=decision.request.stream,
        estimated_prompt_tokens=0,
        request_bytes=0,
        explored=drawn.randomised and drawn.model_id != cached.best_model_id,
        experiment=None if cached.choice.experiment is None else cached.choice.experiment.id,
    )
    return alike.decision


def _deltas(decision: Decision, attempts: list[Attempt], ended_at: Epoch) -> dict[StatisticKey, Sums]:
    deltas: dict[StatisticKey, Sums] = {}
    snapshot, context, max_tokens = decision.published.snapshot, decision.context, decision.request.max_tokens
    for attempt in attempts:
        learned = learn_attempt(snapshot, context, attempt, ended_at, max_tokens)
        if deltas:
            merge(deltas, learned)
        else:
            deltas = learned
    return deltas
