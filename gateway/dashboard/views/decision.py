"""The page of one request: what was known, how it was drawn, what happened, and what was learned."""

from collections.abc import Mapping, Sequence
from math import sqrt

from markupsafe import Markup

from bandit.learning import LESSONS, Wait
from bandit.quick import quick_dataclass
from bandit.types import ArmView, Attempt, Choice, Ending, RuleMode
from gateway.completions.reason import ENDINGS, rule_words
from gateway.dashboard import charts
from gateway.dashboard.charts import DEVIATIONS, Bar, Interval
from gateway.dashboard.colours import GREY, colours_of
from gateway.dashboard.formats import MINUTE, axis_usd, percent, seconds, short, span, usd
from gateway.dashboard.svg import Scale, around
from gateway.dashboard.views.decisions import score_of
from gateway.reports.explanation import Explained
from gateway.tasks.classifier import LONG_PROMPT_TOKENS
from storage.records import DecisionRecord, DecisionView, FeedbackRecord, OutcomeRecord

PER = 1_000


@quick_dataclass(frozen=True, slots=True)
class Candidate:
    """A model that could be drawn, with its terms of the worth in dollars per 1,000 such requests."""

    model: str
    colour: int
    gain_usd: float
    quality: str
    cost_usd: float
    wait_usd: float
    worth_usd: float
    chart: Markup
    bar: Markup
    best: str
    chance: str
    is_drawn: bool
    note: str


@quick_dataclass(frozen=True, slots=True)
class Try:
    """An attempt in words. `after` seconds since the first one's start."""

    model: str
    colour: int
    after: float
    words: str


@quick_dataclass(frozen=True, slots=True)
class Lesson:
    """What was learned of a model, and when."""

    at: float
    what: str
    model: str
    colour: int
    effect: str
    comment: str = ""


@quick_dataclass(frozen=True, slots=True)
class DecisionPage:
    """One request. `verdict` is the replay's; `by` names the API key.

    `kind` says how long the request is, `failed` what became of the drawn model if another one answered, `scored` who
    gave the latest score and when; empty if nobody did. `rules` are those of the router that fit, in words, each with
    its condition; `is_demanded`: one of them demanded the model.
    """

    id: str
    newer: str | None
    older: str | None
    kind: str
    failed: str
    scored: str
    redrawn: str
    router_name: str
    decision: DecisionRecord
    outcome: OutcomeRecord
    choice: Choice
    task: str
    rank: int
    answered_by: str
    score: float | None
    feedback: Sequence[FeedbackRecord]
    candidates: Sequence[Candidate]
    worth_ruler: Markup
    left_out: Sequence[tuple[str, int, str]]
    is_demanded: bool
    rules: Sequence[tuple[str, str]]
    strip: Markup
    timeline: Markup
    tries: Sequence[Try]
    lessons: Sequence[Lesson]
    verdict: str
    is_identical: bool
    algorithm: str
    by: str


def decision_page(
    explained: Explained,
    task: str,
    router_name: str,
    model_ids: Sequence[str],
    by: str,
    beside: tuple[str | None, str | None],
) -> DecisionPage:
    """The page of an explained decision.

    `task` is its class as it is shown; `model_ids` are the router's, in their order; `by` is the key's label; `beside`
    are the next newer and older ones.
    """
    view, choice = explained.view, explained.choice
    decision = view.decision
    colours = colours_of(model_ids)
    deviation = {arm.model_id: arm.deviation_usd / sqrt(choice.temperature or 1.0) for arm in choice.arms}
    worths = {
        arm.model_id: Interval(
            *(PER * (arm.mean_usd + z * deviation[arm.model_id]) for z in (-DEVIATIONS, 0, DEVIATIONS))
        )
        for arm in choice.arms
    }
    scale = around(each for worth in worths.values() for each in (worth.low, worth.high))
    ranked = sorted(choice.arms, key=lambda arm: -arm.mean_usd)
    rank = next((place for place, arm in enumerate(ranked, 1) if arm.model_id == decision.drawn_model_id), 0)
    return DecisionPage(
        id=f"chatcmpl-{decision.completion_id}",
        newer=beside[0],
        older=beside[1],
        kind="long" if choice.context.prompt_tokens >= LONG_PROMPT_TOKENS else "short",
        failed=_failed(view.attempts[0]) if view.attempts else "",
        scored=_scored(view.feedback, view.outcome),
        redrawn=_redrawn(view.attempts),
        router_name=router_name,
        decision=decision,
        outcome=view.outcome,
        choice=choice,
        task=task,
        rank=rank,
        answered_by=view.outcome.model_id or "",
        score=score_of(view),
        feedback=view.feedback,
        candidates=[_candidate(arm, choice, worths[arm.model_id], scale, colours, decision) for arm in ranked],
        worth_ruler=charts.ruler(scale, axis_usd),
        left_out=[(model_id, colours.get(model_id, GREY), why) for model_id, why in choice.left_out],
        is_demanded=choice.rule is not None and choice.rule.mode is RuleMode.ALWAYS,
        rules=[(rule_words(rule, in_force=rule is choice.rule), rule.when) for rule in choice.rules],
        strip=charts.strip(
            [(arm.model_id, colours.get(arm.model_id, GREY), arm.p) for arm in choice.arms],
            decision.u if decision.randomised else None,
        ),
        timeline=charts.timeline(_bars(view.attempts, colours)),
        tries=_tries(view.attempts, colours),
        lessons=_lessons(view, colours, task),
        verdict=explained.verdict,
        is_identical=explained.replay.identical and explained.drawn_again is not False,
        algorithm=decision.algorithm,
        by=by,
    )


def _candidate(
    arm: ArmView,
    choice: Choice,
    worth: Interval,
    scale: Scale,
    colours: Mapping[str, int],
    decision: DecisionRecord,
) -> Candidate:
    colour, goal = colours.get(arm.model_id, GREY), choice.objective
    expected = arm.success * arm.quality
    gain = goal.quality_usd * expected - goal.failure_usd * (1.0 - arm.success)
    told = f"Worth per 1,000 such requests: {usd(worth.mean)}, 90% from {usd(worth.low)} to {usd(worth.high)}"
    notes = [
        name
        for name, holds in (
            ("limited", arm.limited),
            ("newcomer", arm.newcomer),
            ("preferred", _is_preferred(arm, choice)),
        )
        if holds
    ]
    return Candidate(
        model=arm.model_id,
        colour=colour,
        gain_usd=PER * gain,
        quality=f"{arm.quality:.2f}",
        cost_usd=-PER * choice.price_multiplier * arm.cost_usd,
        wait_usd=-PER * goal.second_usd * arm.seconds,
        worth_usd=worth.mean,
        chart=charts.interval(scale, worth, colour, told),
        bar=charts.share(arm.p, colour),
        best=percent(arm.p_best),
        chance=percent(arm.p),
        is_drawn=arm.model_id == decision.drawn_model_id,
        note=", ".join(notes),
    )


def _is_preferred(arm: ArmView, choice: Choice) -> bool:
    return choice.unpreferred is not None and choice.rule is not None and choice.rule.model_id == arm.model_id


def _failed(attempt: Attempt) -> str:
    """What became of an attempt, for the story."""
    if attempt.ending is Ending.TIMEOUT and attempt.first_token_seconds is None:
        return f"said nothing for {seconds(attempt.seconds)}"
    return f"{ENDINGS.get(attempt.ending, 'broke off')} after {seconds(attempt.seconds)}"


def _scored(feedback: Sequence[FeedbackRecord], outcome: OutcomeRecord) -> str:
    """Who gave the latest score, and when."""
    if not feedback:
        return ""
    latest = max(feedback, key=lambda each: each.at)
    who = "A user" if latest.source == "user" else f"“{latest.source}”"
    after = latest.at - outcome.ended_at
    return f"{who} scored it {f'{span(after)} later' if after >= MINUTE else 'at once'}"


def _redrawn(attempts: Sequence[Attempt]) -> str:
    """How the attempts after the first were chosen."""
    later = attempts[1:]
    if not later:
        return ""
    named = "The second was" if len(later) == 1 else "The later ones were"
    drawn = all(each.randomised for each in later)
    return f"{named} drawn from the other models in proportion." if drawn else f"{named} not drawn at random."


def _since_first(attempts: Sequence[Attempt]) -> float:
    return attempts[0].started_at if attempts else 0.0


def _bars(attempts: Sequence[Attempt], colours: Mapping[str, int]) -> list[Bar]:
    first = _since_first(attempts)
    return [
        Bar(
            label=f"{each.number} {short(each.model_id)}, {_ended(each)}{seconds(each.seconds)}",
            colour=colours.get(each.model_id, GREY),
            start=max(each.started_at - first, 0.0),
            seconds=each.seconds,
            answered=each.ending not in ENDINGS,
            first_token=each.first_token_seconds,
        )
        for each in attempts
    ]


def _ended(attempt: Attempt) -> str:
    return f"{ENDINGS[attempt.ending]} after " if attempt.ending in ENDINGS else ""


def _tries(attempts: Sequence[Attempt], colours: Mapping[str, int]) -> list[Try]:
    first = _since_first(attempts)
    return [
        Try(each.model_id, colours.get(each.model_id, GREY), max(each.started_at - first, 0.0), _words(each))
        for each in attempts
    ]


def _words(attempt: Attempt) -> str:
    parts = []
    if attempt.first_token_seconds is not None:
        parts.append(f"first token after {seconds(attempt.first_token_seconds)}")
    if attempt.ending in ENDINGS:
        parts.append(f"{ENDINGS[attempt.ending]} after {seconds(attempt.seconds)}")
    else:
        ended = "whole answer" if attempt.ending == "complete" else str(attempt.ending).replace("_", " ")
        parts.append(f"{ended} after {seconds(attempt.seconds)}")
    if attempt.finish_reason:
        parts.append(f"finish reason “{attempt.finish_reason}”")
    if attempt.cost_usd:
        parts.append(usd(attempt.cost_usd) + (" as estimated" if attempt.estimated else ""))
    told = ", ".join(parts) + (f": {attempt.detail}" if attempt.detail else "")
    if attempt.ending not in ENDINGS:
        return told
    blamed = LESSONS[attempt.ending].success is not None
    return f"{told}. {'It counts against its success, not its quality' if blamed else 'It counts for nothing'}."


def _lessons(view: DecisionView, colours: Mapping[str, int], task: str) -> list[Lesson]:
    outcome, effect = view.outcome, f"one score in class “{task}”"
    learned = [
        Lesson(
            outcome.ended_at, str(each.ending).replace("_", " "), each.model_id, colours.get(each.model_id, GREY), told
        )
        for each in view.attempts
        for told in (_effect(each),)
    ]
    by = outcome.model_id or ""
    learned += [
        Lesson(
            each.at,
            f"score {each.score:.3g} from “{each.source}”",
            by,
            colours.get(by, GREY),
            effect,
            each.comment or "",
        )
        for each in view.feedback
    ]
    if view.shadow is not None:
        second, what = view.shadow.model_id, f"score {view.shadow.score:.3g} from “judge” beside it"
        learned.append(Lesson(outcome.ended_at, what, second, colours.get(second, GREY), effect))
    return learned


def _effect(attempt: Attempt) -> str:
    """What an attempt's ending counts for, by the table that the bandit learns from."""
    lesson = LESSONS[attempt.ending]
    parts = [] if lesson.success is None else ["one success" if lesson.success else "one failure"]
    if lesson.wait is Wait.OBSERVED:
        parts.append(f"a wait of {seconds(attempt.first_token_seconds or attempt.seconds)}")
    elif lesson.wait is Wait.CENSORED:
        parts.append(f"a wait longer than {seconds(attempt.seconds)}")
    if lesson.amounts and attempt.completion_tokens is not None and not attempt.estimated:
        parts.append(f"{attempt.completion_tokens:,} tokens")
    return ", ".join(parts) or "nothing: that was not the model's doing"
