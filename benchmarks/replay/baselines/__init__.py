"""Policies to compare with, by name; they need other statistics than the product keeps."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from benchmarks.replay.baselines.cell_beta import CellBeta
from benchmarks.replay.baselines.forgetting_lin_ucb import ForgettingLinUcb
from benchmarks.replay.baselines.lin_ucb import LinUcb
from benchmarks.replay.baselines.linear_thompson import LinearThompson
from benchmarks.replay.baselines.utility_thompson import UtilityThompson
from benchmarks.replay.player import Player
from benchmarks.replay.scenarios import World

BASELINES: Mapping[str, Callable[[World, float, int], Player]] = MappingProxyType(
    {
        "linear_thompson": LinearThompson,
        "lin_ucb": LinUcb,
        "forgetting_lin_ucb": ForgettingLinUcb,
        "utility_thompson": UtilityThompson,
        "cell_beta": CellBeta,
    }
)
"""Each is made from the world, what a perfect answer is worth in dollars, and the seed."""

__all__ = ["BASELINES"]
