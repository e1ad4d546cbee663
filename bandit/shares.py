"""Traffic shares: moves probabilities as little as possible so that each lies within its bounds."""

from collections.abc import Sequence

SMALLEST = 1e-12
"""Weight of an arm whose probability is 0: it can still be raised to take what the others may not."""


def feasible(lows: Sequence[float], highs: Sequence[float]) -> tuple[list[float], list[float], bool]:
    """Bounds that can all hold, and whether they had to be relaxed.

    Lows that sum to more than 1 are scaled down in proportion, highs that sum to less than 1 scaled up; a low above
    its own high is lowered to the high.

    >>> feasible([0.0, 0.0], [0.2, 0.3])
    ([0.0, 0.0], [0.4, 0.6], True)
    """
    if max(lows) <= 0.0 and min(highs) >= 1.0:  # nothing is bounded
        return [0.0] * len(lows), [1.0] * len(highs), False
    relaxed = False
    low = [min(max(a, 0.0), 1.0) for a in lows]
    high = [min(max(b, 0.0), 1.0) for b in highs]
    for k, (a, b) in enumerate(zip(low, high, strict=True)):
        if a > b:
            low[k], relaxed = b, True
    total = sum(low)
    if total > 1.0:
        low, relaxed = [a / total for a in low], relaxed or total > 1.0 + 1e-9
    total = sum(high)
    if total < 1.0:
        relaxed = relaxed or total < 1.0 - 1e-9
        high = [b / total for b in high] if total > 0.0 else [1.0] * len(high)
    return low, high, relaxed


def project(p: Sequence[float], low: Sequence[float], high: Sequence[float]) -> list[float]:
    """The distribution within [low, high] nearest to `p` in relative entropy; the bounds must be feasible.

    By the conditions of Karush, Kuhn and Tucker it is clip(c·p_k, low_k, high_k) for the one factor c that makes the
    sum 1: arms that no bound touches keep their proportions. The sum grows with c and is linear between the *turns*,
    the factors low_k/p_k and high_k/p_k at which an arm meets a bound. So:

    1. sort the turns;
    2. find the first at which the sum is 1 or more;
    3. interpolate c between it and the turn before.

    O(arms²), with a few dozen arms at most.

    >>> [round(share, 3) for share in project([0.7, 0.2, 0.1], low=[0.0, 0.0, 0.0], high=[0.4, 1.0, 1.0])]
    [0.4, 0.4, 0.2]
    """
    for a, x, b in zip(low, p, high, strict=True):
        if not a <= x <= b:
            break
    else:
        return list(p)
    weights = [max(x, SMALLEST) for x in p]
    turns = sorted(
        {a / w for a, w in zip(low, weights, strict=True)} | {b / w for b, w in zip(high, weights, strict=True)}
    )
    below = 0.0
    for turn in turns:
        if sum(_clip(weights, low, high, turn)) >= 1.0:
            return _interpolate(weights, low, high, below, turn)
        below = turn
    # Rounding alone leads here: highs that sum to a hair less than 1.
    return _normalised(_clip(weights, low, high, turns[-1]))


def _interpolate(
    weights: Sequence[float], low: Sequence[float], high: Sequence[float], below: float, above: float
) -> list[float]:
    """The clipped weights for the factor between two turns that makes their sum 1."""
    first, second = sum(_clip(weights, low, high, below)), sum(_clip(weights, low, high, above))
    factor = above if second <= first else below + (above - below) * (1.0 - first) / (second - first)
    return _normalised(_clip(weights, low, high, factor))


def _clip(weights: Sequence[float], low: Sequence[float], high: Sequence[float], factor: float) -> list[float]:
    return [min(max(factor * w, a), b) for w, a, b in zip(weights, low, high, strict=True)]


def _normalised(p: list[float]) -> list[float]:
    total = sum(p)
    return [x / total for x in p]
