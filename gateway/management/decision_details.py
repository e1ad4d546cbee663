"""One recorded decision in full: what was known, what was drawn, what happened, what was learned, and its replay."""

from collections import defaultdict
from collections.abc import Iterator
from math import inf

import msgspec

from bandit.statistics import JUDGE, Signal
from bandit.types import AppliedRule, ArmView, Attempt, Choice
from gateway.errors import NotFound
from gateway.ids import parse_completion_id
from gateway.management.context import Management
from gateway.management.decision_views import (
    AttemptView,
    CandidateView,
    ContentView,
    DecisionContext,
    DecisionView,
    FeedbackView,
    LeftOutView,
    LessonView,
    ReplayView,
    RuleView,
    ShadowScoreView,
    WorthView,
)
from gateway.management.decisions import decision_fields
from gateway.management.routers import ObjectiveView
from gateway.reports.explanation import Explained, explain
from storage.deltas import decode_deltas
from storage.records import Content, FeedbackRecord
from storage.stores.decisions import Decisions
from storage.stores.keys import Keys
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers

_LEARNED_OF = {
    Signal.VALIDITY: "whether its answers match a schema",
    Signal.FIRST_TOKEN: "how long it takes",
    Signal.PER_TOKEN: "how long it takes",
    Signal.TOTAL: "how long it takes",
    Signal.COMPLETION_TOKENS: "how long its answers are",
    Signal.COST: "what it costs",
}
"""What a signal is about, in words; prompts' signals are all of how it counts tokens."""
_TOLD_OTHERWISE = {Signal.OUTCOMES, Signal.QUALITY, Signal.JUDGED_QUALITY}


def find_decision(management: Management, completion_id: str) -> Explained:
    """One decision, replayed. Raises NotFound, NotExplainable."""
    id_ = parse_completion_id(completion_id)
    view = Ledger(management.database).decision(id_) if id_ else None
    if view is None or not management.sees(view.decision.router_id):
        raise _unknown(completion_id)
    routers = Routers(management.database)
    router_id = view.decision.router_id
    router = routers.get(router_id) or next(iter(routers.deleted([router_id])), None)
    return explain(view, None if router is None else router.secret)


def decision_view(management: Management, explained: Explained, *, with_content: bool) -> DecisionView:
    """A decision in full; `with_content`: with prompt and answer, if they are kept. Raises NotFound."""
    view, choice = explained.view, explained.choice
    decision, outcome = view.decision, view.outcome
    summary = Decisions(management.database).summary(decision.completion_id)
    if summary is None:
        raise _unknown(decision.completion_id)  # retention has just deleted it
    content = Ledger(management.database).content(decision.completion_id) if with_content else None
    labels = {key.id: key.label for key in Keys(management.database).of({each.key_id for each in view.feedback})}
    return DecisionView(
        **decision_fields(summary).model_dump(),
        context=_context(choice),
        instructions=decision.instructions,
        objective=ObjectiveView(
            quality_usd=choice.objective.quality_usd,
            second_usd=choice.objective.second_usd,
            failure_usd=choice.objective.failure_usd,
        ),
        price_multiplier=choice.price_multiplier,
        temperature=choice.temperature,
        exploration=choice.exploration,
        snapshot_at=choice.snapshot_at,
        candidates=[_candidate(arm) for arm in choice.arms],
        left_out=[LeftOutView(model=model_id, why=why) for model_id, why in choice.left_out],
        rules=[_rule(rule, choice) for rule in choice.rules],
        u=decision.u,
        attempts=[_attempt(attempt) for attempt in view.attempts],
        ended_at=outcome.ended_at,
        overhead_seconds=outcome.overhead_seconds,
        cached_tokens=outcome.cached_tokens,
        estimated=outcome.estimated,
        finish_reason=outcome.finish_reason,
        valid=outcome.valid,
        feedback=[_feedback(each, labels.get(each.key_id)) for each in view.feedback],
        learned=list(_lessons(explained)),
        shadow=None if view.shadow is None else ShadowScoreView(model=view.shadow.model_id, score=view.shadow.score),
        replay=ReplayView(
            identical=explained.replay.identical,
            model=explained.replay.model_id,
            largest_difference=explained.replay.largest_difference,
            drawn_again=explained.drawn_again,
            verdict=explained.verdict,
        ),
        choice=msgspec.json.decode(msgspec.json.encode(explained.choice)),
        content=None if content is None else _content(content),
    )


def _unknown(completion_id: str) -> NotFound:
    return NotFound(f"there is no completion {completion_id[:80]!r}", code="completion_not_found")


def _context(choice: Choice) -> DecisionContext:
    context = choice.context
    return DecisionContext(
        task=context.task,
        prompt_tokens=context.prompt_tokens,
        tool_tokens=context.tool_tokens,
        image_tokens=context.image_tokens,
        audio_tokens=context.audio_tokens,
        file_tokens=context.file_tokens,
        cached_tokens=context.cached_tokens,
        cached_by=context.cached_by,
        max_tokens=context.max_tokens,
        stream=context.stream,
        wants_json=context.wants_json,
    )


def _rule(rule: AppliedRule, choice: Choice) -> RuleView:
    return RuleView(
        number=rule.number,
        mode=rule.mode.value,
        model=rule.model_id,
        weight=rule.weight,
        when=rule.when,
        passed_over=rule.passed_over,
        in_force=rule is choice.rule,
    )


def _candidate(arm: ArmView) -> CandidateView:
    return CandidateView(
        model=arm.model_id,
        probability=arm.p,
        p_best=arm.p_best,
        quality=arm.quality,
        quality_deviation=arm.quality_deviation,
        success=arm.success,
        cost_usd=arm.cost_usd,
        seconds=arm.seconds,
        worth_usd=WorthView(mean=arm.mean_usd, deviation=arm.deviation_usd),
        scores=arm.scores,
        limited=arm.limited,
        newcomer=arm.newcomer,
    )


def _attempt(attempt: Attempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        model=attempt.model_id,
        probability=attempt.propensity,
        randomised=attempt.randomised,
        ending=attempt.ending.value,
        started_at=attempt.started_at,
        seconds=attempt.seconds,
        first_token_seconds=attempt.first_token_seconds,
        http_status=attempt.status,
        detail=attempt.detail,
        finish_reason=attempt.finish_reason,
        prompt_tokens=attempt.prompt_tokens,
        cached_tokens=attempt.cached_tokens,
        completion_tokens=attempt.completion_tokens,
        token_details=dict(attempt.token_details),
        cost_usd=attempt.cost_usd,
        cost_known=attempt.cost_known,
        cost_stated=attempt.cost_stated,
        estimated=attempt.estimated,
    )


def _feedback(record: FeedbackRecord, label: str | None) -> FeedbackView:
    return FeedbackView(
        id=record.id,
        at=record.at,
        source=record.source,
        score=record.score,
        comment=record.comment,
        metadata=None if record.metadata is None else dict(record.metadata),
        api_key_id=record.key_id,
        api_key_label=label,
    )


def _lessons(explained: Explained) -> Iterator[LessonView]:
    """What the outcome taught, model by model, and then each score."""
    view = explained.view
    learned: dict[str, dict[str, None]] = defaultdict(dict)  # in order, each once
    for key, sums in decode_deltas(view.learned, view.decision.router_id, view.outcome.ended_at, _never_fading):
        if key.signal is Signal.SUCCESS:
            learned[key.model_id]["that it answered" if sums.total > 0 else "that it failed"] = None
        elif key.signal not in _TOLD_OTHERWISE:
            learned[key.model_id][_LEARNED_OF.get(key.signal, "how many tokens it counts")] = None
    for model_id, what in learned.items():
        yield LessonView(at=view.outcome.ended_at, model=model_id, what=", ".join(what))
    for each in view.feedback:
        if view.outcome.model_id is not None:
            yield LessonView(
                at=each.at, model=view.outcome.model_id, what=f"a score of {each.score:g} from {each.source}"
            )
    if view.shadow is not None:
        told = f"a score of {view.shadow.score:g} from {JUDGE}, of an answer that nobody got"
        yield LessonView(at=view.outcome.ended_at, model=view.shadow.model_id, what=told)


def _never_fading(router_id: str, signal: Signal) -> float:
    return inf


def _content(content: Content) -> ContentView:
    return ContentView(request=content.request.decode(errors="replace"), answer=content.answer.decode(errors="replace"))
