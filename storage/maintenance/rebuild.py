"""Compares the statistics with the fold of the ledger, and corrects them, while gateways serve."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete

from bandit.types import StatisticKey, Sums
from storage.database.addition import add_sums, note_changed_routers
from storage.database.engine import Database
from storage.database.revisions import mark_statistics_changed
from storage.deltas import DeltaSums
from storage.maintenance.fold import HalfLives, RouterHalfLife, fold, of_router
from storage.stores.arms import read_sums, select_sums
from storage.tables import arms
from storage.writing.scores import LearnScores

TOLERANCE = 1e-9
"""Absolute and relative tolerance of two sums that count as equal."""


CLOCK_TOLERANCE_SECONDS = 1e-3
"""A row must not be at a later instant than its last event, or else everything that is added would fade."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A statistic that differs from the fold of the ledger. None: there is no such row."""

    key: StatisticKey
    kept: Sums | None
    folded: Sums | None


class Rebuild:
    """Makes the statistics equal to the fold of the ledger. Every method raises DatabaseUnavailable.

    A changed half-life takes effect by a rebuild. Of outcomes that retention has deleted, only their sums are known, as
    they had faded by then.
    """

    def __init__(self, database: Database, learn_scores: LearnScores, half_life: RouterHalfLife) -> None:
        self._database = database
        self._learn_scores = learn_scores
        self._half_life = half_life

    def check(self, router_id: str | None = None) -> list[Difference]:
        """Return the differences between statistics and ledger at one instant, of one router or of all."""
        with self._database.snapshot() as connection:
            kept = read_sums(connection.execute(of_router(select_sums(arms), arms, router_id)))
            half_lives = HalfLives(self._half_life, kept.items())
            folded = fold(connection, half_lives, self._learn_scores, router_id)
        return [
            Difference(key, kept.get(key), folded.get(key))
            for key in sorted(kept.keys() | folded.keys())
            if not equal(kept.get(key), folded.get(key))
        ]

    def run(self, router_id: str | None = None) -> list[Difference]:
        """Correct every difference, and return those that there were.

        The difference is added, so nothing that is learned meanwhile is lost, and no writer has to wait.
        """
        found = self.check(router_id)
        broken = [
            difference.key
            for difference in found
            if difference.kept and not _is_correctable(difference.kept, difference.folded or _nothing(difference.kept))
        ]
        if broken:
            self._remove(broken)
        if found:
            self._add([_missing(difference) for difference in (self.check(router_id) if broken else found)])
        return found

    def _remove(self, keys: list[StatisticKey]) -> None:
        """Delete broken rows; what is learned from here on makes new ones."""
        with self._database.write() as connection:
            for key in keys:
                own = (arms.c[name] == str(part) for name, part in key._asdict().items())
                connection.execute(delete(arms).where(*own))

    def _add(self, missing: list[Mapping[StatisticKey, Sums]]) -> None:
        gathered = DeltaSums()
        for sums in missing:
            gathered.add(sums)
        with self._database.write() as connection:
            mark_statistics_changed(connection)
            cursor, rows = connection.connection.cursor(), gathered.rows()
            add_sums(arms, connection.dialect).write(cursor, rows)
            note_changed_routers(connection.dialect).write(cursor, sorted({(str(row[0]),) for row in rows}))


def equal(kept: Sums | None, folded: Sums | None) -> bool:
    """Test whether two sums are equal at the later instant of the two. A missing row equals zero."""
    some = kept or folded
    if some is None:
        return True
    kept, folded = kept or _nothing(some), folded or _nothing(some)
    if kept.half_life != folded.half_life or not kept.at <= folded.at + CLOCK_TOLERANCE_SECONDS:
        return False
    at = max(kept.at, folded.at)
    return all(
        math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        for a, b in zip(_numbers(kept.faded_to(at)), _numbers(folded.faded_to(at)), strict=True)
    )


def _is_correctable(kept: Sums, folded: Sums) -> bool:
    """Test whether adding can correct the row: not if it isn't finite, too late, or so large that digits are lost."""
    return (
        all(map(math.isfinite, (kept.at, *_numbers(kept))))
        and kept.half_life == folded.half_life
        and kept.at <= folded.at + CLOCK_TOLERANCE_SECONDS
        and all(abs(a) <= 1e3 * max(1.0, abs(b)) for a, b in zip(_numbers(kept), _numbers(folded), strict=True))
    )


def _numbers(sums: Sums) -> tuple[float, float, float]:
    return sums.weight, sums.total, sums.squares


def _missing(difference: Difference) -> Mapping[StatisticKey, Sums]:
    """What to add to the row so that it equals the fold."""
    folded = difference.folded or (_nothing(difference.kept) if difference.kept else None)
    assert folded is not None  # noqa: S101 - at least one of the two exists
    return {difference.key: folded + -difference.kept if difference.kept else folded}


def _nothing(like: Sums) -> Sums:
    return Sums(like.at, like.half_life, 0.0)
