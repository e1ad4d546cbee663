"""Ratios of pooled percentiles hold the truth, and blocks that move together widen their interval."""

import numpy as np

from benchmarks.pooled import Blocks, pooled, ratio


def blocks(rng: np.random.Generator, count: int, apart: float, factor: float = 1.0) -> Blocks:
    """Blocks of a hundred latencies, each block slower or faster as a whole."""
    return [(factor * rng.lognormal(rng.normal(0.0, apart), 0.3, 100)).tolist() for _ in range(count)]


def test_a_pooled_percentile_is_that_of_all_values_together() -> None:
    assert pooled([[1.0, 2.0], [3.0], [4.0, 5.0]], 0.5) == 3.0


def test_intervals_hold_the_ratio_in_about_nineteen_of_twenty_runs() -> None:
    held = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = ratio(blocks(rng, 40, 0.2, 1.2), blocks(rng, 40, 0.2), 0.99)
        held.append(found.low <= 1.2 <= found.high)
    assert np.mean(held) >= 0.85


def test_blocks_that_move_together_say_less() -> None:
    alike, apart = (ratio(blocks(rng, 40, by), blocks(rng, 40, by), 0.9) for rng, by in cases())
    assert apart.high - apart.low > 2.0 * (alike.high - alike.low)


def cases() -> list[tuple[np.random.Generator, float]]:
    return [(np.random.default_rng(7), 0.0), (np.random.default_rng(7), 0.5)]
