"""From what a policy compares to the probabilities that an arm is drawn with, in three steps."""

from collections.abc import Sequence

from bandit.exploration import explored
from bandit.policies.policy import Policy
from bandit.quick import quick_dataclass
from bandit.shares import project


@quick_dataclass(frozen=True, slots=True)
class Comparison:
    """What the probabilities are a function of: the policy and, in the candidates' order, what is known of them.

    A choice's record holds all of it. `limited` arms are over the latency limit or under the quality floor; `low` and
    `high` are bounds of traffic shares that can all hold.
    """

    policy: Policy
    exploration: float
    quality_usd: float
    means_usd: Sequence[float]
    indexes: Sequence[float]
    deviations: Sequence[float]
    limited: Sequence[bool]
    low: Sequence[float]
    high: Sequence[float]


@quick_dataclass(frozen=True, slots=True)
class Steps:
    """Probabilities after each step, each summing to 1; `p` is what an arm is drawn with."""

    p_best: list[float]
    p_explored: list[float]
    p: list[float]


def probabilities(compared: Comparison) -> Steps:
    """The policy's probabilities, then with the exploration share, then within the bounds of traffic shares.

    Limited arms keep their exploration share alone, unless all are limited; `p_best` is the policy's before that.
    """
    policy, indexes, deviations = compared.policy, compared.indexes, compared.deviations
    p_best = policy.probabilities(indexes, deviations)
    kept = p_best
    if any(compared.limited) and not all(compared.limited):
        free = [k for k, limited in enumerate(compared.limited) if not limited]
        within = policy.probabilities([indexes[k] for k in free], [deviations[k] for k in free])
        kept = [0.0] * len(indexes)
        for k, share in zip(free, within, strict=True):
            kept[k] = share
    p_explored = explored(kept, compared.exploration, compared.means_usd, compared.quality_usd)
    return Steps(p_best, p_explored, project(p_explored, compared.low, compared.high))
