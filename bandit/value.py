"""Value of each candidate for one request: expected utility in dollars, its parts and its deviation."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bandit.objective import steer
from bandit.posteriors.margins import ones
from bandit.posteriors.snapshot import Snapshot
from bandit.preference import preferred
from bandit.quick import quick_dataclass
from bandit.types import AppliedRule, Arm, Context, Objective, Steering
from bandit.utility import utility_usd

Floats = NDArray[np.float64]
T = TypeVar("T", np.float64, np.bool_)

PATIENT_OUTCOMES = 30.0
"""After this many outcomes without any score, the doubt about quality counts half (in deviations)."""


@quick_dataclass(frozen=True, slots=True)
class Value:
    """Expected values of the candidates, arrays in their order (`arms`; `rows` of the snapshot), and their terms.

    `mean_usd` and `deviation_usd` are those of the utility; the temperature is applied to the deviation.
    `price_multiplier` is 1 + λ with the caller's wish.
    """

    snapshot: Snapshot
    rows: NDArray[np.int64]
    arms: tuple[Arm, ...]
    context: Context
    objective: Objective
    price_multiplier: float
    temperature: float
    mean_usd: Floats
    deviation_usd: Floats
    quality: Floats
    quality_deviation: Floats
    success: Floats
    validity: Floats
    cost_usd: Floats
    seconds: Floats
    seconds_known: NDArray[np.bool_]
    scores: Floats  # weight of those behind the quality, all classes together

    @property
    def model_ids(self) -> list[str]:
        """The candidates' models."""
        return [arm.model_id for arm in self.arms]


def evaluate(
    snapshot: Snapshot,
    context: Context,
    rows: NDArray[np.int64],
    steering: Steering,
    preference: AppliedRule | None = None,
) -> Value:
    """Expected utility (`bandit.utility`) of the arms in `rows`, its deviation and its parts.

    Quality is s·v·q: success, validity if JSON is asked for, score. The parts are taken to be independent: the variance
    is that of s·(Q·v·q + F), plus those of cost and seconds, and is multiplied by the temperature. As long
    as there is no score at all, the doubt about quality fades with every outcome: trying teaches nothing of quality, so
    cost and latency come to decide among models that scorecards leave equal. A `preference` is scores in advance.
    """
    objective = steer(snapshot.objective, steering)
    multiplier = snapshot.budget.multiplier * steering.cost
    quality, quality_variance = snapshot.quality(context.task)
    if preference is not None:
        quality, quality_variance = quality.copy(), quality_variance.copy()
        row = snapshot.rows[preference.model_id]
        quality[row], quality_variance[row] = preferred(quality[row], quality_variance[row], preference.weight)
    worth, worth_variance = quality, quality_variance * _part_of_doubt(snapshot)
    validity = ones(len(quality))
    if context.wants_json:
        validity = snapshot.validity.mean
        second = (worth_variance + worth * worth) * snapshot.validity.second_moment
        worth = worth * validity
        worth_variance = second - worth * worth
    success = snapshot.success.mean
    gain = objective.quality_usd * worth + objective.failure_usd
    cost, cost_variance = snapshot.cost_usd(context)
    seconds, seconds_variance = snapshot.seconds(context)
    mean = utility_usd(
        objective,
        quality=success * worth,
        failed=1.0 - success,
        cost_usd=cost,
        seconds=seconds,
        price_multiplier=multiplier,
    )
    variance = (
        snapshot.success.second_moment * (objective.quality_usd**2 * worth_variance)
        + snapshot.success.variance * (gain * gain)
        + multiplier**2 * cost_variance
        + objective.second_usd**2 * seconds_variance
    )
    temperature = snapshot.settings.temperature
    everyone = rows is snapshot.all_rows

    def candidates(values: NDArray[T]) -> NDArray[T]:
        return values if everyone else values[rows]

    return Value(
        snapshot=snapshot,
        rows=rows,
        arms=snapshot.arms if everyone else tuple([snapshot.arms[row] for row in rows.tolist()]),
        context=context,
        objective=objective,
        price_multiplier=multiplier,
        temperature=temperature,
        mean_usd=candidates(mean),
        deviation_usd=candidates(np.sqrt(temperature * variance)),
        quality=candidates(quality),
        quality_deviation=candidates(np.sqrt(quality_variance)),
        success=candidates(success),
        validity=candidates(validity),
        cost_usd=candidates(cost),
        seconds=candidates(seconds),
        seconds_known=candidates(snapshot.seconds_known(context.stream)),
        scores=candidates(snapshot.scores),
    )


def _part_of_doubt(snapshot: Snapshot) -> float:
    """The part of the variance of quality that counts: all of it once there is a score, else less with each outcome."""
    if snapshot.has_scores:
        return 1.0
    return (PATIENT_OUTCOMES / (PATIENT_OUTCOMES + snapshot.outcomes_of_all)) ** 2
