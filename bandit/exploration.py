"""The exploration share: who gets it, beyond what probability matching explores by itself."""

from collections.abc import Sequence

HALVING_SHORTFALL = 0.1
"""An arm that is worth less than the best by this share of a perfect answer's worth gets half the best arm's part."""


def explored(
    probabilities: Sequence[float], exploration: float, means_usd: Sequence[float], quality_usd: float
) -> list[float]:
    """(1 - ε)p + ε·w with w_k ∝ 1 / (1 + (best mean - mean_k) / (0.1 · quality_usd)), never 0.

    Even parts would be spent mostly on arms that their price rules out: what those cost has no bound. With these an
    arm's part of ε costs at most 0.1 · quality_usd times the best arm's part. Where quality is worth nothing, parts are
    even.
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
