"""Seeds of one policy, played side by side: what their snapshots derive is computed in arrays with one more axis.

The functions are those that serve, and so is whatever is not derived here: a snapshot computes what it lacks by itself.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bandit.posteriors.amounts import Amounts, expected_amounts, pooled_means
from bandit.posteriors.moments import InClass, Moments, Share, share_moments
from bandit.posteriors.priors import COMPLETION_TOKENS_WEIGHT
from bandit.posteriors.quality import Quality, quality_posterior
from bandit.posteriors.scores import Scored
from bandit.posteriors.snapshot import SUCCESS_PRIOR, Snapshot
from bandit.statistics import Signal
from benchmarks.replay.engine import Engine
from benchmarks.replay.loop import NOBODY, Trace, ask, score
from benchmarks.replay.scenarios import World

Floats = NDArray[np.float64]


def play_side_by_side(worlds: Sequence[World], players: Sequence[Engine], delay: int) -> list[Trace]:
    """Play worlds of as many requests and models, none of which restarts, each by its own player."""
    traces = [np.full(len(world), NOBODY, dtype=np.int64) for world in worlds]
    lanes = list(zip(worlds, players, traces, strict=True))
    for t in range(len(worlds[0])):
        for world, player, arms in lanes:
            score(world, player, arms, t - 1 - delay)
        derive([(player.renew(t), world.tasks[t]) for world, player, _ in lanes])
        for world, player, arms in lanes:
            arms[t] = ask(world, player, t)
    return [Trace(arms, player.dump()) for _, player, arms in lanes]


def derive(asked: Sequence[tuple[Snapshot, str]]) -> None:
    """Let each snapshot keep what is expected in the class that it is asked for, as far as it lacks it.

    Those are computed together that have as many classes, scores, and no call sites.
    """
    alike: defaultdict[tuple[tuple[int, ...], bool], list[tuple[Snapshot, str, Scored]]] = defaultdict(list)
    for snapshot, task in asked:
        scored = None if "_classes" in vars(snapshot) or snapshot.families is not None else snapshot.scored
        if scored is not None:
            alike[snapshot.table.sums.shape, snapshot.constants.all_priced].append((snapshot, task, scored))
    for group in alike.values():
        if len(group) > 1:
            _derive(group)


def _derive(group: Sequence[tuple[Snapshot, str, Scored]]) -> None:
    snapshots = [snapshot for snapshot, _, _ in group]
    columns = np.array([snapshot.table.column(task) for snapshot, task, _ in group])
    quality = quality_posterior(
        _beside([scored.scores for _, _, scored in group]),
        _beside([snapshot.table.windows() for snapshot in snapshots]),
        np.array([scored.mean for _, _, scored in group]),
        np.array([scored.weight for _, _, scored in group]),
    )
    known, sums = snapshots[0].constants, _beside([one.amounts(Signal.COMPLETION_TOKENS) for one in snapshots])
    prior = pooled_means(sums, known.completion_tokens, known.own_completion_tokens)
    of_quality = _lists(_quality_of(quality, columns).of(0))
    of_tokens = _lists(_amounts_of(expected_amounts(sums, prior, COMPLETION_TOKENS_WEIGHT), columns).of(0))
    of_dollars = None
    if not known.all_priced:
        typical = np.array([one.typical_cost_usd for one in snapshots])[:, None]
        sums = _beside([one.amounts(Signal.COST) for one in snapshots])
        of_dollars = _lists(_amounts_of(expected_amounts(sums, typical, 1.0), columns).of(0))
    weight, total, _ = np.array([one.table.per_arm(Signal.SUCCESS) for one in snapshots]).transpose(1, 0, 2)
    of_success = [part.tolist() for part in share_moments(weight, total, *SUCCESS_PRIOR)]
    scores = quality.scores.tolist()
    for lane, (snapshot, task, _) in enumerate(group):
        found = InClass(of_quality[lane], of_tokens[lane], None if of_dollars is None else of_dollars[lane])
        success = Share(*(part[lane] for part in of_success))
        vars(snapshot).update(_classes={task: found}, scores=scores[lane], success=success)


def _beside(cells: Sequence[Floats]) -> Floats:
    """Arrays of shape (…, arms, tasks) as one of shape (…, lanes, arms, tasks)."""
    return np.moveaxis(np.array(cells), 0, -3)


def _quality_of(all_classes: Quality, columns: NDArray[np.int64]) -> Quality:
    """That of one class for each lane."""
    t, strength, n, s = [
        _of(cells, columns) for cells in (all_classes.t, all_classes.strength, all_classes.n, all_classes.s)
    ]
    return Quality(t, strength, n, s, all_classes.scores)


def _amounts_of(all_classes: Amounts, columns: NDArray[np.int64]) -> Amounts:
    """Those of one class for each lane."""
    cells = np.array([_of(part, columns) for part in all_classes.cells])
    return Amounts(cells, all_classes.spread, all_classes.leans)


def _of(cells: Floats, columns: NDArray[np.int64]) -> Floats:
    return cells if cells.shape[-1] == 1 else cells[np.arange(len(columns)), :, columns][..., None]


def _lists(moments: tuple[Floats, Floats]) -> list[Moments]:
    """Mean and variance per arm, for each lane."""
    mean, variance = moments
    return list(zip(mean.tolist(), variance.tolist(), strict=True))
