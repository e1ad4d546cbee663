"""What a router spends, whom it chooses, and what it believes of its models."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import exp, inf, log, sqrt

from pydantic import BaseModel

from bandit.buckets import bucketed
from bandit.posteriors.snapshot import Snapshot
from bandit.statistics import ANY_TASK, JUDGE
from bandit.types import NO_STEERING, ArmView, Choice, Context, Epoch, LoopTime, PromptParts
from gateway.management.routers import ObjectiveView
from gateway.management.shares import TaskView
from gateway.routing.router import LiveRouter
from storage.activity import Traffic
from storage.judging import Judging
from storage.records import Purpose

DEVIATIONS = 1.6449
"""A normal posterior is within this many deviations of its mean with a probability of 90 %."""
TYPICAL_PROMPT_TOKENS = 1_000
NO_TRAFFIC = Traffic(0, 0, 0, 0, 0, 0, 0.0)

_REASONS = {
    "limited": "over the latency limit, or under the quality floor: it gets its share of exploration alone",
    "newcomer": "new in this router: its share is capped until more of its answers are known",
}


class IntervalView(BaseModel):
    """Mean and 90 % interval of a posterior."""

    mean: float
    low: float
    high: float


class QualityView(IntervalView):
    """Expected score, and the weight of the scores behind it (faded, all classes together)."""

    scores: float


class BudgetView(BaseModel):
    """The budget's state: a dollar counts `multiplier` times, so that the mean cost comes to the limit."""

    multiplier: float
    mean_cost_usd: float | None
    limit_usd: float | None


class SpendView(BaseModel):
    """Dollars spent on this UTC day, and the day's limit."""

    spent_usd: float
    limit_usd: float | None


class ModelStatsView(BaseModel):
    """A model of the router. `share` is that of the first draws since `from`; `share_now` its probability now.

    `worth_usd` is what an answer is worth, less what it costs: the model with the largest is the best.
    """

    id: str
    state: str
    reason: str | None
    share: float
    share_now: float
    requests: int
    answered: int
    failed: int
    cost_usd: float
    quality: QualityView
    success: IntervalView
    seconds: IntervalView
    cost_per_answer_usd: IntervalView
    worth_usd: IntervalView


class AgreementView(BaseModel):
    """How a judge's scores agree with users': `compared` are the scores of users beside which it can be held.

    It scores higher than they do by `offset`, which is taken off. `kept` is the part of its weight that is left: less
    than 1 if it errs about some models and not about others.
    """

    compared: float
    offset: float
    kept: float


class JudgeView(BaseModel):
    """The router's judges: how often they were called since `from`, how many scores came of it, and what it cost.

    `today` is what they cost on this UTC day, and the day's limit; none of it is in the router's own spend.
    """

    models: list[str]
    share: float
    calls: int
    scored: int
    cost_usd: float
    today: SpendView
    agreement: AgreementView | None


class ShadowView(BaseModel):
    """The router's shadow comparisons: calls of second models and of judges since `from`, and how many replies scored.

    Two of these make a comparison. `today` is what they cost on this UTC day, and the day's limit; none of it is in the
    router's own spend, nor in the judge's.
    """

    share: float
    tools: bool
    calls: int
    scored: int
    cost_usd: float
    today: SpendView


class StatsView(BaseModel):
    """A router's statistics, for a request of a class (`task`) with a prompt of 1,000 tokens."""

    router_id: str
    object: str = "router.stats"
    task: str
    objective: ObjectiveView
    budget: BudgetView
    today: SpendView
    snapshot_at: float
    from_at: float
    models: list[ModelStatsView]
    tasks: list[TaskView]
    judge: JudgeView | None = None
    shadow: ShadowView | None = None


def router_stats(
    live: LiveRouter,
    traffic: Mapping[str, Traffic],
    judging: Sequence[Judging],
    tasks: Sequence[TaskView],
    states: Mapping[str, tuple[str, str]],
    now: Epoch,
    loop_time: LoopTime,
    since: Epoch,
    task: str | None = None,
) -> StatsView:
    """A router's statistics, of one class or of those that state none. For the event loop.

    `traffic` are its models' counts from the UTC day of `since` on, `judging` those of its judges, `tasks` those of its
    classes; `states` are parked and cooling models, with why.
    """
    published = live.renewed(now, loop_time)
    prompt = PromptParts(TYPICAL_PROMPT_TOKENS)
    context = bucketed(task or ANY_TASK, prompt, max_tokens=None, stream=False, wants_json=False)
    budget = live.state.budget
    models: list[ModelStatsView] = []
    if live.models:
        choice = published.choose(context, tuple(sorted(live.models)), NO_STEERING, ()).choice
        drawn = sum(each.drawn for each in traffic.values())
        models = [
            _model(choice, arm, published.snapshot, context, traffic.get(arm.model_id, NO_TRAFFIC), drawn)
            for arm in choice.arms
        ]
        for model in models:
            model.state, model.reason = states.get(live.models[model.id].id, (model.state, model.reason))
    return StatsView(
        router_id=live.id,
        task=task or "",
        objective=ObjectiveView(**asdict(live.settings.objective)),
        budget=BudgetView(
            multiplier=budget.multiplier,
            mean_cost_usd=budget.mean_cost_usd,
            limit_usd=live.options.budget_usd_per_request,
        ),
        today=SpendView(spent_usd=live.spend.today_usd(now), limit_usd=live.options.max_usd_per_day),
        snapshot_at=published.at,
        from_at=since,
        models=models,
        tasks=list(tasks),
        judge=_judge(live, _of(judging, Purpose.JUDGE), published.snapshot, now),
        shadow=_shadow(live, _of(judging, Purpose.SHADOW), now),
    )


def _of(judging: Sequence[Judging], purpose: Purpose) -> list[Judging]:
    return [each for each in judging if each.purpose is purpose]


def _judge(live: LiveRouter, judging: Sequence[Judging], snapshot: Snapshot, now: Epoch) -> JudgeView | None:
    judge, spend, trusted = live.options.judge, live.state.judge_spend, snapshot.counted.trusts.get(JUDGE)
    if judge is None:
        return None
    return JudgeView(
        models=list(judge.models),
        share=judge.share,
        calls=sum(each.calls for each in judging),
        scored=sum(each.scored for each in judging),
        cost_usd=sum(each.cost_usd for each in judging),
        today=SpendView(spent_usd=spend.today_usd(now), limit_usd=judge.max_usd_per_day),
        agreement=None
        if trusted is None
        else AgreementView(compared=trusted.compared, offset=trusted.offset, kept=trusted.kept),
    )


def _shadow(live: LiveRouter, judging: Sequence[Judging], now: Epoch) -> ShadowView | None:
    shadow, spend = live.options.shadow, live.state.shadow_spend
    if shadow is None:
        return None
    return ShadowView(
        share=shadow.share,
        tools=shadow.tools,
        calls=sum(each.calls for each in judging),
        scored=sum(each.scored for each in judging),
        cost_usd=sum(each.cost_usd for each in judging),
        today=SpendView(spent_usd=spend.today_usd(now), limit_usd=shadow.max_usd_per_day),
    )


def _model(
    choice: Choice, arm: ArmView, snapshot: Snapshot, context: Context, traffic: Traffic, drawn: int
) -> ModelStatsView:
    row = snapshot.rows[arm.model_id]
    (cost_usd, cost_variance), (seconds, seconds_variance) = snapshot.cost_usd(context), snapshot.seconds(context)
    success = snapshot.success
    # The choice's deviation has the temperature in it, the posterior's has not.
    deviation = arm.deviation_usd / sqrt(choice.temperature)
    state = "limited" if arm.limited else "newcomer" if arm.newcomer else "ok"
    return ModelStatsView(
        id=arm.model_id,
        state=state,
        reason=_REASONS.get(state),
        share=traffic.drawn / drawn if drawn else 0.0,
        share_now=arm.p,
        requests=traffic.drawn,
        answered=traffic.answered,
        failed=traffic.failures,
        cost_usd=traffic.cost_usd,
        quality=QualityView(**_normal(arm.quality, arm.quality_deviation, 0.0, 1.0).model_dump(), scores=arm.scores),
        success=_normal(success.mean[row], sqrt(success.variance[row]), 0.0, 1.0),
        seconds=_log_normal(seconds[row], seconds_variance[row]),
        cost_per_answer_usd=_log_normal(cost_usd[row], cost_variance[row]),
        worth_usd=_normal(arm.mean_usd, deviation),
    )


def _normal(mean: float, deviation: float, lowest: float = -inf, highest: float = inf) -> IntervalView:
    reach = DEVIATIONS * deviation
    return IntervalView(mean=mean, low=max(mean - reach, lowest), high=min(mean + reach, highest))


def _log_normal(mean: float, variance: float) -> IntervalView:
    """The interval of a positive quantity: that of the log-normal with this mean and variance."""
    if mean <= 0.0:
        return IntervalView(mean=mean, low=mean, high=mean)
    spread = log(1.0 + variance / (mean * mean))
    middle, reach = log(mean) - spread / 2.0, DEVIATIONS * sqrt(spread)
    return IntervalView(mean=mean, low=exp(middle - reach), high=exp(middle + reach))
