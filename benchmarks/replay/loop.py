"""The replay loop: requests come one by one, answers at once, scores later."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandit.statistics import JUDGE
from benchmarks.replay.player import Player
from benchmarks.replay.scenarios import World

MAX_ATTEMPTS = 3
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Trace:
    """Which model answered each request (-1: none did), and what was known in the end."""

    arms: NDArray[np.int64]
    state: bytes


def play(world: World, make: Callable[[], Player], delay: int) -> Trace:
    """Play a world through. The score of request t is learned just before request t + 1 + `delay` is decided.

    If the world restarts, the player's state is written, and a new player reads it.
    """
    player = make()
    arms = np.full(len(world), NOBODY, dtype=np.int64)
    for t in range(len(world)):
        if t == world.restarts_at:
            state = player.dump()
            player = make()
            player.load(state)
        score(world, player, arms, t - 1 - delay)
        arms[t] = ask(world, player, t)
    return Trace(arms, player.dump())


def score(world: World, player: Player, arms: NDArray[np.int64], t: int) -> None:
    """Tell the player the score of request t, if somebody scores it."""
    if t >= 0 and world.scored[t] and arms[t] != NOBODY:
        player.learn_score(t, int(arms[t]), float(world.scores[t, arms[t]]))
    elif t >= 0 and world.judged is not None and world.judgements is not None and world.judged[t] and arms[t] != NOBODY:
        player.learn_score(t, int(arms[t]), float(world.judgements[t, arms[t]]), JUDGE)


def ask(world: World, player: Player, t: int) -> int:
    """Play one request, with failover; the model that answered it."""
    failed: frozenset[int] = frozenset()
    for _ in range(MAX_ATTEMPTS):
        arm = player.choose(t, failed)
        if arm is None:
            break
        answered = bool(world.answers[t, arm])
        player.learn_answer(t, arm, answered)
        if answered:
            return arm
        failed |= {arm}
    return NOBODY
