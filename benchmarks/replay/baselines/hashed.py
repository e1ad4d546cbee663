"""Prompts as vectors: hashed words, the task, and a constant."""

import zlib
from functools import lru_cache

import numpy as np

from benchmarks.replay.data import Floats
from benchmarks.replay.scenarios import World

WORDS = 32


def features(world: World) -> Floats:
    """One row per request: 32 hashed words of length 1 (Weinberger et al. 2009), the task one-hot, and 1."""
    tasks = sorted(set(world.tasks))
    rows = np.zeros((len(world), WORDS + len(tasks) + 1))
    rows[:, :WORDS] = [_words(prompt) for prompt in world.prompts]
    rows[np.arange(len(world)), [WORDS + tasks.index(task) for task in world.tasks]] = 1.0
    rows[:, -1] = 1.0
    return rows


@lru_cache(maxsize=20_000)
def _words(prompt: str) -> tuple[float, ...]:
    counts = np.zeros(WORDS)
    for word in prompt.lower().split():
        code = zlib.crc32(word.encode())
        counts[code % WORDS] += 1.0 if code & 0x80000000 else -1.0
    length = float(np.sqrt(counts @ counts))
    return tuple((counts / length if length else counts).tolist())
