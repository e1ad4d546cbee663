"""Divides the exploration share: less of it for an arm the further its value falls short of the best."""

from collections.abc import Sequence

HALVING_SHORTFALL = 0.1
"""An arm that falls short of the best by this share of a perfect answer's worth gets half the best arm's part."""


def explored(
    probabilities: Sequence[float], exploration: float, means_usd: Sequence[float], quality_usd: float
) -> list[float]:
    """(1 - ε)p + ε·w with w_k ∝ 1 / (1 + (best mean - mean_k) / (0.1 · quality_usd)), Σ w = 1; no w_k is 0.

    Even parts would be spent mostly on arms that their price rules out, at a cost without a bound. With these, an arm's
    part costs at most ε · 0.1 · quality_usd per request, however dear the arm: the part falls as the shortfall rises,
    and their product stays below that. If quality is worth nothing, parts are even.

    >>> explored([1.0, 0.0, 0.0], 0.03, means_usd=[0.009, 0.008, -0.09], quality_usd=0.01)  # the last is far too dear
    [0.989..., 0.0099..., 0.0001...]
    """
    if not exploration:
        return list(probabilities)
    halving = HALVING_SHORTFALL * quality_usd
    if halving > 0.0:
        best = max(means_usd)
        parts = [halving / (halving + (best - mean)) for mean in means_usd]
    else:
        parts = [1.0] * len(means_usd)
    each = exploration / sum(parts)
    return [(1.0 - exploration) * p + each * part for p, part in zip(probabilities, parts, strict=True)]
