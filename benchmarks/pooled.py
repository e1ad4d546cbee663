"""Ratios of percentiles of latencies that were measured in many short blocks.

A percentile of a block of a second is a matter of chance, and so is a median of ratios of such blocks. Here the
latencies of all blocks of one kind count together. What the machine does to all of a block at once makes latencies of
one block alike, so the interval is from drawing whole blocks again (a bootstrap over clusters).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Blocks = Sequence[Sequence[float]]

DRAWS = 1_000
SEED = 1


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two percentiles, and its interval of 95%."""

    ratio: float
    low: float
    high: float


def pooled(blocks: Blocks, share: float) -> float:
    """The value that `share` of all blocks' values do not exceed."""
    return float(np.quantile(np.concatenate(blocks), share))


def ratio(blocks: Blocks, others: Blocks, share: float) -> Ratio:
    """The percentile of all blocks over that of all others."""
    rng = np.random.default_rng(SEED)

    def again(of: Blocks) -> float:
        return pooled([of[k] for k in rng.integers(len(of), size=len(of))], share)

    low, high = np.quantile([again(blocks) / again(others) for _ in range(DRAWS)], [0.025, 0.975])
    found = (pooled(blocks, share) / pooled(others, share), float(low), float(high))
    return Ratio(*(round(each, 3) for each in found))
