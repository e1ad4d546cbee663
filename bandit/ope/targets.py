"""Targets of off-policy evaluation: what another policy, objective or set of models would do in logged choices."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bandit.ope.recorded import RecordedChoices
from bandit.ope.thompson import thompson_probabilities
from bandit.ope.without_rule import without_rule
from bandit.policies.best import Best
from bandit.policies.cheapest import Cheapest
from bandit.policies.fastest import Fastest
from bandit.policies.fixed import Fixed
from bandit.policies.latency_weighted import LatencyWeighted
from bandit.policies.policy import RecordedPolicy
from bandit.policies.thompson import Thompson
from bandit.policies.uniform import Uniform
from bandit.types import AppliedRule, Objective
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
class Proposal:
    """What would have chosen instead. None: the objective, models or exploration share of then."""

    policy: str = "thompson"
    objective: Objective | None = None
    models: Collection[str] | None = None
    exploration: float | None = None
    without: AppliedRule | None = None  # a rule of the router that is left out


@dataclass(frozen=True, slots=True)
class _Prospects:
    """What is expected of one choice's candidates."""

    model_ids: Sequence[str]
    mean_usd: Sequence[float]
    deviation_usd: Sequence[float]
    cost_usd: Sequence[float]
    seconds: Sequence[float]


def target_probabilities(
    choices: RecordedChoices, proposal: Proposal, pause: Callable[[], None] = lambda: None
) -> Floats:
    """The probabilities of a proposal in each choice, with what was known then; shape (choices, models).

    If none of the proposal's models was a candidate, the candidates of then are used, as a router must choose somebody.
    Thompson explores within the limits and traffic shares of then: under the logged objective, models and exploration
    it is the logged policy, exactly, or its part of an experiment. `pause` is called about each millisecond.

    Raises ValueError for a policy that can't be recomputed from the record.
    """
    policy = recorded_policy(proposal.policy)
    if not choices.p.size:
        return choices.p
    changed = np.zeros(len(choices.p), dtype=np.bool_)
    if proposal.without is not None:
        choices, changed = without_rule(choices, proposal.without)
    means, deviations = _prospects(choices, proposal.objective)
    candidate = choices.candidate
    if proposal.models is not None:
        wanted = candidate & np.array([model in proposal.models for model in choices.models], dtype=np.bool_)
        candidate = np.where(wanted.any(axis=1, keepdims=True), wanted, candidate)
    if policy.explores:
        return _explored(choices, proposal, means, deviations, candidate, changed, pause)
    target = np.zeros_like(choices.p)
    patterns, pattern_of = np.unique(candidate, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        columns = np.flatnonzero(pattern)
        model_ids = [choices.models[k] for k in columns]
        for row in np.flatnonzero(pattern_of.reshape(-1) == number).tolist():
            prospects = _Prospects(
                model_ids=model_ids,
                mean_usd=means[row, columns].tolist(),
                deviation_usd=deviations[row, columns].tolist(),
                cost_usd=choices.cost_usd[row, columns].tolist(),
                seconds=choices.seconds[row, columns].tolist(),
            )
            target[row, columns] = policy.probabilities(*policy.compare(prospects))
    return target


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


def _explored(
    choices: RecordedChoices,
    proposal: Proposal,
    means: Floats,
    deviations: Floats,
    candidate: NDArray[np.bool_],
    changed: NDArray[np.bool_],
    pause: Callable[[], None],
) -> Floats:
    """Thompson: as recorded where nothing is proposed that was not so, and computed anew elsewhere."""
    objective, exploration = choices.objective, choices.exploration
    if proposal.objective is not None:
        objective = np.broadcast_to(_dollars(proposal.objective), objective.shape)
    if proposal.exploration is not None:
        exploration = np.full_like(exploration, proposal.exploration)
    same = (
        ~changed
        & choices.thompson
        & (objective == choices.objective).all(axis=1)
        & (candidate == choices.candidate).all(axis=1)
    )
    other = ~(same & (exploration == choices.exploration))
    target = choices.own.copy()
    target[other] = thompson_probabilities(
        means[other],
        deviations[other],
        candidate=candidate[other],
        limited=choices.limited[other],
        low=choices.low[other],
        high=choices.high[other],
        exploration=exploration[other],
        quality_usd=objective[other, 0],
        pause=pause,
    )
    return target


def _prospects(choices: RecordedChoices, objective: Objective | None) -> tuple[Floats, Floats]:
    """Means and deviations of utility: as recorded, and computed anew where the objective is another."""
    if objective is None:
        return choices.mean_usd, choices.deviation_usd
    other = (choices.objective != _dollars(objective)).any(axis=1, keepdims=True)
    mean_usd = utility_usd(
        objective,
        quality=choices.success * (choices.validity * choices.quality),
        failed=1.0 - choices.success,
        cost_usd=choices.cost_usd,
        seconds=choices.seconds,
        price_multiplier=choices.price_multiplier[:, None],
    )
    deviation_usd = _rescaled(choices, objective.quality_usd)
    return np.where(other, mean_usd, choices.mean_usd), np.where(other, deviation_usd, choices.deviation_usd)


def _dollars(objective: Objective) -> Floats:
    return np.array([objective.quality_usd, objective.second_usd, objective.failure_usd])


def _rescaled(choices: RecordedChoices, quality_usd: float) -> Floats:
    """Recorded deviations of utility if a perfect answer were worth `quality_usd`.

    The variance that comes of quality is re-scaled; what cost, seconds and failures add is kept as it was.
    """
    logged_usd = choices.objective[:, :1]
    variance = choices.deviation_usd**2
    unit = choices.temperature[:, None] * (choices.success * choices.quality_deviation) ** 2
    # While nothing is scored, less than the whole doubt about quality counted (`bandit.value`).
    most = np.full_like(variance, np.inf)
    np.divide(variance, logged_usd**2, out=most, where=logged_usd > 0.0)
    unit = np.minimum(unit, most)
    rest = np.maximum(variance - unit * logged_usd**2, 0.0)
    rescaled: Floats = np.sqrt(rest + unit * quality_usd**2)
    return rescaled
