"""Value of each candidate for one request: expected utility in dollars, its parts and its deviation."""

from collections.abc import Sequence
from math import sqrt

from bandit.objective import steer
from bandit.posteriors.snapshot import Snapshot
from bandit.preference import preferred
from bandit.quick import quick_dataclass
from bandit.types import AppliedRule, Arm, Context, Objective, Steering
from bandit.utility import utility_usd

PATIENT_OUTCOMES = 30.0
"""After this many outcomes without any score, the doubt about quality counts half (in deviations)."""


@quick_dataclass(frozen=True, slots=True)
class Value:
    """Expected values of the candidates, lists in their order (`arms`; `rows` of the snapshot), and their terms.

    `mean_usd` and `deviation_usd` are those of the utility; the temperature is applied to the deviation.
    `price_multiplier` is 1 + λ with the caller's wish.
    """

    snapshot: Snapshot
    rows: Sequence[int]
    arms: Sequence[Arm]
    context: Context
    objective: Objective
    price_multiplier: float
    temperature: float
    mean_usd: Sequence[float]
    deviation_usd: Sequence[float]
    quality: Sequence[float]
    quality_deviation: Sequence[float]
    success: Sequence[float]
    validity: Sequence[float]
    cost_usd: Sequence[float]
    seconds: Sequence[float]

    @property
    def model_ids(self) -> list[str]:
        """The candidates' models."""
        return [arm.model_id for arm in self.arms]


def evaluate(
    snapshot: Snapshot,
    context: Context,
    rows: Sequence[int],
    steering: Steering,
    preference: AppliedRule | None = None,
) -> Value:
    """Expected utility (`bandit.utility`) of the arms in `rows`, its deviation and its parts.

    Quality is s·v·q: success, validity if JSON is asked for, score. The parts are taken to be independent: the variance
    is that of s·(Q·v·q + F), plus those of cost and seconds, and is multiplied by the temperature. As long
    as there is no score at all, the doubt about quality fades with every outcome: trying teaches nothing of quality, so
    cost and latency come to decide among models that scorecards leave equal. A `preference` is scores in advance.

    In plain floats, arm by arm: up to some thirty arms that takes less than arrays do, and no list is made of them.
    """
    objective = steer(snapshot.objective, steering)
    multiplier, temperature = snapshot.budget.multiplier * steering.cost, snapshot.settings.temperature
    preferred_row = None if preference is None else snapshot.rows[preference.model_id]
    scores, score_variances = snapshot.quality(context.task)
    costs, cost_variances = snapshot.cost_usd(context)
    waits, wait_variances = snapshot.seconds(context)
    doubt, successes = _part_of_doubt(snapshot), snapshot.success
    validities = snapshot.validity if context.wants_json else None
    quality_usd2, multiplier2, second_usd2 = objective.quality_usd**2, multiplier**2, objective.second_usd**2
    mean_usd, deviation_usd, qualities, quality_deviations = [], [], [], []
    for row in rows:
        quality, quality_variance = scores[row], score_variances[row]
        if preference is not None and row == preferred_row and quality_variance > 0.0:
            quality, quality_variance = preferred(quality, quality_variance, preference.weight)
        worth, worth_variance = quality, quality_variance * doubt
        if validities is not None:
            second = (worth_variance + worth * worth) * validities.second_moment[row]
            worth *= validities.mean[row]
            worth_variance = second - worth * worth
        success, gain = successes.mean[row], objective.quality_usd * worth + objective.failure_usd
        mean = utility_usd(
            objective,
            quality=success * worth,
            failed=1.0 - success,
            cost_usd=costs[row],
            seconds=waits[row],
            price_multiplier=multiplier,
        )
        variance = (
            successes.second_moment[row] * (quality_usd2 * worth_variance)
            + successes.variance[row] * (gain * gain)
            + multiplier2 * cost_variances[row]
            + second_usd2 * wait_variances[row]
        )
        mean_usd.append(mean)
        deviation_usd.append(sqrt(temperature * max(variance, 0.0)))  # by rounding alone it would be less
        qualities.append(quality)
        quality_deviations.append(sqrt(quality_variance))
    arms, validity = snapshot.arms, [1.0] * len(costs) if validities is None else validities.mean
    everyone = len(rows) == len(arms)  # then what is known of each needs no picking
    return Value(
        snapshot=snapshot,
        rows=rows,
        arms=arms if everyone else [arms[row] for row in rows],
        context=context,
        objective=objective,
        price_multiplier=multiplier,
        temperature=temperature,
        mean_usd=mean_usd,
        deviation_usd=deviation_usd,
        quality=qualities,
        quality_deviation=quality_deviations,
        success=successes.mean if everyone else [successes.mean[row] for row in rows],
        validity=validity if everyone else [validity[row] for row in rows],
        cost_usd=costs if everyone else [costs[row] for row in rows],
        seconds=waits if everyone else [waits[row] for row in rows],
    )


def _part_of_doubt(snapshot: Snapshot) -> float:
    """The part of the variance of quality that counts: all of it once there is a score, else less with each outcome."""
    if snapshot.has_scores:
        return 1.0
    return (PATIENT_OUTCOMES / (PATIENT_OUTCOMES + snapshot.outcomes_of_all)) ** 2
