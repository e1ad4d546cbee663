"""Targets of off-policy evaluation: what another policy, objective or set of models would do in a logged choice."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bandit.policies.best import Best
from bandit.policies.cheapest import Cheapest
from bandit.policies.fastest import Fastest
from bandit.policies.fixed import Fixed
from bandit.policies.latency_weighted import LatencyWeighted
from bandit.policies.policy import RecordedPolicy
from bandit.policies.thompson import Thompson
from bandit.policies.uniform import Uniform
from bandit.probabilities import Comparison, probabilities
from bandit.shares import feasible
from bandit.types import ArmView, Choice, Objective
from bandit.utility import utility_usd

Floats = NDArray[np.float64]

RECORDED: Mapping[str, Callable[[], RecordedPolicy]] = MappingProxyType(
    {
        "thompson": Thompson,
        "best": Best,
        "uniform": Uniform,
        "cheapest": Cheapest,
        "fastest": Fastest,
        "latency_weighted": LatencyWeighted,
    }
)
"""The policies whose probabilities follow from what a choice's record says; `fixed:MODEL` is another."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The prospects of a choice's candidates, from its record."""

    model_ids: Sequence[str]
    mean_usd: Floats
    deviation_usd: Floats
    cost_usd: Floats
    seconds: Floats


def target_probabilities(
    choice: Choice, policy: str, objective: Objective | None = None, models: Collection[str] | None = None
) -> dict[str, float]:
    """The probabilities of a policy in a logged choice, with what was known then.

    `objective` None: the logged one; `models` None: all candidates of then. If none of `models` was a candidate, the
    candidates of then are used, as a router must choose somebody. Thompson explores as the choice did, within the
    limits and traffic shares of then: under the logged objective and models it is the logged policy, exactly.

    Raises ValueError for a policy that can't be recomputed from the record.
    """
    target, objective = recorded_policy(policy), objective or choice.objective
    views = [view for view in choice.arms if models is None or view.model_id in models] or list(choice.arms)
    recorded = _recorded(choice, views, objective)
    indexes, deviations = target.compare(recorded)
    low, high = [0.0] * len(views), [1.0] * len(views)
    limited = [target.explores and view.limited for view in views]
    if target.explores:
        low, high, _ = feasible([view.low for view in views], [view.high for view in views])
    compared = Comparison(
        policy=target,
        exploration=choice.exploration if target.explores else 0.0,
        quality_usd=objective.quality_usd,
        means_usd=recorded.mean_usd.tolist(),
        indexes=indexes,
        deviations=deviations,
        limited=limited,
        low=low,
        high=high,
    )
    return dict(zip(recorded.model_ids, probabilities(compared).p, strict=True))


def recorded_policy(text: str) -> RecordedPolicy:
    """The policy of this name, such as `best` or `fixed:MODEL`. Raises ValueError if a record can't tell its choice."""
    name, _, argument = text.partition(":")
    if name == "fixed" and argument:
        return Fixed(argument)
    make = RECORDED.get(name)
    if make is None or argument:
        choices = ", ".join([*RECORDED, "fixed:MODEL"])
        raise ValueError(f"policy: {text!r} can't be evaluated from a log; choose one of {choices}")
    return make()


def _recorded(choice: Choice, views: Sequence[ArmView], objective: Objective) -> _Recorded:
    """The prospects of these candidates, under another objective if it is not the logged one."""
    mean_usd = np.array([view.mean_usd for view in views])
    deviation_usd = np.array([view.deviation_usd for view in views])
    cost_usd = np.array([view.cost_usd for view in views])
    seconds = np.array([view.seconds for view in views])
    if objective != choice.objective:
        success = np.array([view.success for view in views])
        mean_usd = utility_usd(
            objective,
            quality=success * np.array([view.validity * view.quality for view in views]),
            failed=1.0 - success,
            cost_usd=cost_usd,
            seconds=seconds,
            price_multiplier=choice.price_multiplier,
        )
        doubt = success * np.array([view.quality_deviation for view in views])
        deviation_usd = _rescaled(choice, deviation_usd, doubt, objective.quality_usd)
    return _Recorded(
        model_ids=[view.model_id for view in views],
        mean_usd=mean_usd,
        deviation_usd=deviation_usd,
        cost_usd=cost_usd,
        seconds=seconds,
    )


def _rescaled(choice: Choice, deviation_usd: Floats, doubt: Floats, quality_usd: float) -> Floats:
    """Recorded deviations of utility if a perfect answer were worth `quality_usd`; `doubt` is that of s·q.

    The variance that comes of quality is re-scaled; what cost, seconds and failures add is kept as it was.
    """
    variance, unit = deviation_usd**2, choice.temperature * doubt**2
    logged_usd = choice.objective.quality_usd
    if logged_usd > 0.0:
        # While nothing is scored, less than the whole doubt about quality counted (`bandit.value`).
        unit = np.minimum(unit, variance / logged_usd**2)
    rest = np.maximum(variance - unit * logged_usd**2, 0.0)
    rescaled: Floats = np.sqrt(rest + unit * quality_usd**2)
    return rescaled
