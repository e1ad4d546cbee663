"""Targets of off-policy evaluation: what another policy, objective or set of models would do in a logged choice."""

from collections.abc import Collection

from bandit.exploration import explored
from bandit.matching import best_probabilities
from bandit.policies.policy import shared_by_best
from bandit.shares import feasible, project
from bandit.types import ArmView, Choice, Objective

SHORTEST_SECONDS = 1e-3
POLICIES = ("thompson", "best", "uniform", "cheapest", "fastest", "latency_weighted", "fixed:MODEL")
"""Those whose probabilities follow from what a choice's record says; `best` is thompson without doubt."""


def target_probabilities(
    choice: Choice, policy: str, objective: Objective | None = None, models: Collection[str] | None = None
) -> dict[str, float]:
    """The probabilities of a policy in a logged choice, with what was known then.

    `objective` None: the logged one; `models` None: all candidates of then. Where none of `models` was a candidate,
    the candidates of then are used, as a router must choose somebody.

    Raises ValueError for a policy that can't be recomputed from the record.
    """
    views = [view for view in choice.arms if models is None or view.model_id in models] or list(choice.arms)
    shares = _shares(choice, views, policy, objective or choice.objective)
    return {view.model_id: share for view, share in zip(views, shares, strict=True)}


def _shares(choice: Choice, views: list[ArmView], policy: str, objective: Objective) -> list[float]:
    name, _, argument = policy.partition(":")
    if name == "fixed" and argument:
        wanted = [float(view.model_id == argument) for view in views]
        return wanted if any(wanted) else shared_by_best([_mean_usd(choice, view, objective) for view in views])
    if argument:
        raise _unknown(policy)
    match name:
        case "thompson":
            return _thompson(choice, views, objective)
        case "best":
            return shared_by_best([_mean_usd(choice, view, objective) for view in views])
        case "uniform":
            return [1.0 / len(views)] * len(views)
        case "cheapest":
            return shared_by_best([-view.cost_usd for view in views])
        case "fastest":
            return shared_by_best([-view.seconds for view in views])
        case "latency_weighted":
            speeds = [1.0 / max(view.seconds, SHORTEST_SECONDS) for view in views]
            return [speed / sum(speeds) for speed in speeds]
        case _:
            raise _unknown(policy)


def _thompson(choice: Choice, views: list[ArmView], objective: Objective) -> list[float]:
    means = [_mean_usd(choice, view, objective) for view in views]
    deviations = [_deviation_usd(choice, view, objective) for view in views]
    p = best_probabilities(means, deviations)
    p = explored(p, choice.exploration, means, objective.quality_usd)
    low, high, _ = feasible([view.low for view in views], [view.high for view in views])
    return project(p, low, high)


def _mean_usd(choice: Choice, view: ArmView, objective: Objective) -> float:
    """U = s·(Q·q·v + F) - F - (1 + λ)·cost - w·seconds."""
    validity = view.validity if choice.context.wants_json else 1.0
    gain = objective.quality_usd * view.quality * validity + objective.failure_usd
    spent = choice.price_multiplier * view.cost_usd + objective.second_usd * view.seconds
    return view.success * gain - objective.failure_usd - spent


def _deviation_usd(choice: Choice, view: ArmView, objective: Objective) -> float:
    """The logged deviation with its share of quality re-scaled; what cost and latency add is kept as it was."""
    unit = choice.temperature * (view.success * view.quality_deviation) ** 2
    rest = max(view.deviation_usd**2 - unit * choice.objective.quality_usd**2, 0.0)
    return float((rest + unit * objective.quality_usd**2) ** 0.5)


def _unknown(policy: str) -> ValueError:
    return ValueError(f"policy: {policy!r} can't be evaluated from a log; choose one of {', '.join(POLICIES)}")
