"""How much memory work takes."""

import tracemalloc
from collections.abc import Callable

TIMES = 3


def least_peak(work: Callable[[], object]) -> int:
    """The least of some peaks of traced bytes: other threads of the process can only add to one."""
    peaks: list[int] = []
    for _ in range(TIMES):
        tracemalloc.start()
        work()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return min(peaks)
