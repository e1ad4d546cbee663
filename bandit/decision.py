"""One decision: a distribution over candidates, with all that it follows from."""

from collections.abc import Sequence

from bandit.experiment import Experiment, ExperimentView, PartView
from bandit.policies import Policy, named
from bandit.posteriors.snapshot import Snapshot
from bandit.probabilities import Comparison, probabilities
from bandit.shares import feasible
from bandit.types import (
    NO_STEERING,
    AppliedRule,
    ArmView,
    Choice,
    Context,
    RuleMode,
    Steering,
    Unpreferred,
    rule_in_force,
)
from bandit.value import Value, evaluate

ALGORITHM = "3"
"""The version of the computation from a snapshot to probabilities; it is part of every choice."""


def choose(
    snapshot: Snapshot,
    context: Context,
    candidates: tuple[str, ...],
    steering: Steering = NO_STEERING,
    left_out: tuple[tuple[str, str], ...] = (),
    rules: tuple[AppliedRule, ...] = (),
    part: int | None = None,
) -> Choice:
    """The router's policy as probabilities over the candidates (model ids, in any order), with all they follow from.

    With `part` it is the policy of this part of the router's experiment, beside what the others would do.

    Steps: expected values of each candidate for this context; what the policy compares of them; its probabilities,
    exploration and traffic shares (`bandit.probabilities`). Limits, floors, exploration and newcomers' caps are
    thompson's alone. Of the router's `rules` that fit, the first that chooses is in force: `always` bounds the traffic
    shares to its model, under every policy; `prefer` is part of the expected values. Raises ValueError without
    candidates or with one that is no arm of the snapshot.
    """
    if not candidates:
        raise ValueError("candidates: at least one model is needed")
    try:
        rows = sorted({snapshot.rows[model_id] for model_id in candidates})
    except KeyError as unknown:
        raise ValueError(f"candidates: {unknown.args[0]!r} is no model of router {snapshot.router_id}") from None
    settings = snapshot.settings
    experiment = settings.experiment if part is not None else None
    policy = named(settings.policy if experiment is None or part is None else experiment.parts[part].policy)
    value, rule, unpreferred = evaluate(snapshot, context, rows, steering), rule_in_force(rules), None
    if rule is not None and rule.mode is RuleMode.PREFER:
        unpreferred = _unpreferred(value, rule)
        value = evaluate(snapshot, context, rows, steering, rule)
    compared, newcomers, relaxed = _compared(value, policy, rule)
    return Choice(
        algorithm=ALGORITHM,
        policy=policy.name,
        router_id=snapshot.router_id,
        snapshot_at=snapshot.at,
        context=context,
        objective=value.objective,
        price_multiplier=value.price_multiplier,
        temperature=value.temperature,
        exploration=compared.exploration,
        relaxed=relaxed,
        arms=_views(value, compared, newcomers),
        left_out=left_out,
        steering=steering,
        doubted=snapshot.counted.doubted if policy.explores else (),
        rules=rules,
        unpreferred=unpreferred,
        experiment=None
        if experiment is None or part is None
        else _experiment_view(value, rule, experiment, part, compared),
    )


def _compared(value: Value, policy: Policy, rule: AppliedRule | None) -> tuple[Comparison, list[bool], bool]:
    """What a policy compares, which candidates are newcomers for it, and whether bounds of shares were relaxed."""
    settings, nobody = value.snapshot.settings, [False] * len(value.rows)
    indexes, deviations = policy.compare(value)
    newcomers = _newcomers(value) if policy.explores else nobody
    low, high, relaxed = feasible(*_bounds(value, newcomers))
    if rule is not None and rule.mode is RuleMode.ALWAYS:
        low = [float(arm.model_id == rule.model_id) for arm in value.arms]
        high, relaxed = low, False
    compared = Comparison(
        policy=policy,
        exploration=settings.exploration if policy.explores else 0.0,
        quality_usd=value.objective.quality_usd,
        means_usd=value.mean_usd,
        indexes=indexes,
        deviations=deviations,
        limited=_limited(value) if policy.explores else nobody,
        low=low,
        high=high,
    )
    return compared, newcomers, relaxed


def _experiment_view(
    value: Value, rule: AppliedRule | None, experiment: Experiment, part: int, own: Comparison
) -> ExperimentView:
    """What every part of the experiment compares and would choose; `own` is what the chosen one does."""
    views: list[PartView] = []
    for number, each in enumerate(experiment.parts):
        compared = own if number == part else _compared(value, named(each.policy), rule)[0]
        view = PartView(
            policy=compared.policy.name,
            share=each.share,
            exploration=compared.exploration,
            index=tuple(compared.indexes),
            index_deviation=tuple(compared.deviations),
            limited=tuple(compared.limited),
            low=tuple(compared.low),
            high=tuple(compared.high),
            p=tuple(probabilities(compared).p),
        )
        views.append(view)
    return ExperimentView(experiment.id, experiment.unit, part, tuple(views))


def _views(value: Value, compared: Comparison, newcomers: Sequence[bool]) -> tuple[ArmView, ...]:
    """The candidates as the choice records them."""
    steps, snapshot, rows = probabilities(compared), value.snapshot, value.rows
    scores, seconds_known = snapshot.scores, snapshot.seconds_known(value.context.stream)
    # By place, in the fields' order: with names and an index for each it takes twice as long.
    return tuple(
        map(
            ArmView,
            value.model_ids,
            compared.means_usd,
            value.deviation_usd,
            value.quality,
            value.quality_deviation,
            [scores[row] for row in rows],
            value.success,
            value.validity,
            value.cost_usd,
            value.seconds,
            compared.low,
            compared.high,
            steps.p_best,
            steps.p_explored,
            steps.p,
            compared.indexes,
            compared.deviations,
            compared.limited,
            newcomers,
            [seconds_known[row] for row in rows],
        )
    )


def _unpreferred(value: Value, rule: AppliedRule) -> Unpreferred:
    """What is expected of a rule's model before it is preferred."""
    k = value.model_ids.index(rule.model_id)
    return Unpreferred(
        quality=value.quality[k],
        quality_deviation=value.quality_deviation[k],
        mean_usd=value.mean_usd[k],
        deviation_usd=value.deviation_usd[k],
    )


def _bounds(value: Value, newcomers: Sequence[bool]) -> tuple[list[float], list[float]]:
    """The smallest and largest traffic share that each candidate may have, a newcomer's capped."""
    cap = value.snapshot.settings.newcomer_share
    highs = [min(arm.max_share, cap) if new else arm.max_share for arm, new in zip(value.arms, newcomers, strict=True)]
    return [arm.min_share for arm in value.arms], highs


def _limited(value: Value) -> list[bool]:
    """Which candidates are over the latency limit or under the quality floor."""
    settings = value.snapshot.settings
    limited = [False] * len(value.rows)
    if settings.latency_limit_seconds is not None:
        limited = [seconds > settings.latency_limit_seconds for seconds in value.seconds]
    if settings.quality_floor is not None:
        floor = settings.quality_floor * max(value.quality)
        limited = [over or quality < floor for over, quality in zip(limited, value.quality, strict=True)]
    return limited


def _newcomers(value: Value) -> list[bool]:
    """Which candidates joined late and have too few outcomes for more than a newcomer's share; none if all are new."""
    snapshot = value.snapshot
    if not snapshot.constants.any_joined_late:
        return [False] * len(value.rows)
    joined = snapshot.constants.joined_late & (snapshot.outcomes < snapshot.settings.newcomer_outcomes)
    new: list[bool] = joined[value.rows].tolist()
    return [False] * len(new) if all(new) else new
