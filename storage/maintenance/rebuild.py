"""Compares the statistics with the fold of the ledger, and corrects them, while gateways serve."""

import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, collate, update

from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Epoch
from storage.database.addition import SUMS, add_sums, note_changed_routers
from storage.database.engine import Database
from storage.database.numbers import current_revision, mark_statistics_changed
from storage.deltas import DeltaSums
from storage.errors import DatabaseUnavailable
from storage.maintenance.claim import claim_correction, read_corrections, waiting_for_others
from storage.maintenance.fold import HalfLives, RouterHalfLife, fold
from storage.maintenance.retired import keeping_months
from storage.pending_events import fold_pending
from storage.stores.arms import read_statistics, read_sums, select_sums
from storage.stores.rebuilds_due import DueRebuild, note_rebuilt, read_due, remove_due
from storage.tables import arms, checkpoints
from storage.writing.scores import LearnScores

TOLERANCE = 1e-9
"""Absolute and relative tolerance of two sums that count as equal."""


CLOCK_TOLERANCE_SECONDS = 1e-3
"""A row must not be at a later instant than its last event, or else everything that is added would fade."""

LARGEST_SANE = 1e15
"""Sums beyond this and beyond their fold are broken: adding 1 to them changes nothing."""

CORRECTED_AT_ONCE = 5_000
"""Rows that one transaction corrects, but for those of a single router, which stay together."""

MOST_COMPARISONS = 10

FOLLOWED_SECONDS = 5.0
"""Within this time every process uses a router's new half-lives."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A statistic that differs from the fold of the ledger. None: there is no such row."""

    key: StatisticKey
    kept: Sums | None
    folded: Sums | None


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The differences at one instant, with what has to be the same when they are corrected."""

    differences: list[Difference]
    corrections: int
    due: list[DueRebuild]


class Rebuild:
    """Makes the statistics equal to the fold of the ledger. Every method raises DatabaseUnavailable.

    A changed half-life takes effect by a rebuild. Of outcomes that retention has deleted, only their sums are known, as
    they had faded by then.
    """

    def __init__(self, database: Database, learn_scores: LearnScores, half_life: RouterHalfLife) -> None:
        self._database = database
        self._learn_scores = learn_scores
        self._half_life = half_life
        self._add = add_sums(arms, database.engine.dialect)
        self._note_changed = note_changed_routers(database.engine.dialect)

    def check(self, router_id: str | None = None) -> list[Difference]:
        """Return the differences between statistics and ledger at one instant, of one router or of all."""
        return self._compare(router_id).differences

    def run(self, router_id: str | None = None) -> list[Difference]:
        """Correct every difference, and return those that there were.

        Differences are added, so nothing that is learned meanwhile is lost, and no writer waits for the comparison. A
        row that can't be corrected by adding is replaced, and compared once more. One rebuild corrects at a time:
        what another one has corrected during the comparison is compared anew.
        """
        with waiting_for_others(self._database):
            return self._run(router_id)

    def _run(self, router_id: str | None) -> list[Difference]:
        compared = self._compare(router_id)
        found = compared.differences
        for _ in range(MOST_COMPARISONS):
            if self._correct(compared):
                return found
            compared = self._compare(router_id)
        raise DatabaseUnavailable(
            f"the statistics of {self._database.where} were still changed by others after {MOST_COMPARISONS} "
            "comparisons: run the rebuild again"
        )

    def due(self) -> list[str]:
        """Read which routers are marked as due and not rebuilt yet."""
        return [mark.router_id for mark in self._read_due() if not mark.rebuilt]

    def run_due(self, now: Epoch) -> list[str]:
        """Rebuild what is marked as due, and return the routers that were rebuilt.

        A mark stays until a look after `FOLLOWED_SECONDS`, which compares once more: until then a process could still
        insert rows with the former half-lives, or add what it had summed up with them. The mark of a router whose
        half-lives are not known stays until they are.
        """
        rebuilt: list[str] = []
        if not self._read_due():
            return rebuilt
        with waiting_for_others(self._database):
            for mark in self._read_due():  # without those that others have rebuilt during the wait
                if self._half_life(mark.router_id, Signal.SUCCESS) is None:
                    continue
                is_last = mark.rebuilt and not 0.0 <= now - mark.since < FOLLOWED_SECONDS
                if mark.rebuilt and not is_last and not self._has_former_half_lives(mark.router_id):
                    continue
                if self._run(mark.router_id) or not is_last:
                    rebuilt.append(mark.router_id)
                else:
                    with self._database.write() as connection:
                        remove_due(connection, mark)
        return rebuilt

    def _read_due(self) -> list[DueRebuild]:
        with self._database.read() as connection:
            return read_due(connection)

    def _compare(self, router_id: str | None) -> _Comparison:
        with keeping_months(self._database), self._database.snapshot() as connection:
            corrections, due = read_corrections(connection), read_due(connection, router_id)
            kept = read_statistics(connection, router_id)
            half_lives = HalfLives(self._half_life, kept.items())
            folded = fold(connection, half_lives, self._learn_scores, router_id)
        differences = [
            Difference(key, kept.get(key), folded.get(key))
            for key in sorted(kept.keys() | folded.keys())
            if not equal(kept.get(key), folded.get(key))
        ]
        return _Comparison(differences, corrections, due)

    def _correct(self, compared: _Comparison) -> bool:
        """Correct the differences. Returns False if they have to be compared again.

        In one transaction, or, if there are many, in one for each few routers.
        """
        corrections, replaced = compared.corrections, False
        for piece in _pieces(compared.differences):
            with self._database.write() as connection:
                if not claim_correction(connection, corrections, time.time()):
                    return False
                fold_pending(connection)
                replaced |= self._correct_some(connection, piece)
            corrections += 1
        if not replaced:
            with self._database.write() as connection:
                note_rebuilt(connection, compared.due)
        return not replaced

    def _correct_some(self, connection: Connection, differences: list[Difference]) -> bool:
        """Correct the statistics of some routers. Returns whether rows were replaced."""
        mark_statistics_changed(connection)
        now = self._lock(connection, {each.key.router_id for each in differences})
        added, replaced = DeltaSums(), []
        for each in differences:
            held, folded = now.get(each.key), each.folded
            kept = None if held is None else each.kept  # a row that was deleted meanwhile is made anew
            if held is None or kept is None:
                added.add({} if folded is None else {each.key: folded})
                continue
            folded = folded or _nothing(kept)
            if _is_correctable(kept, folded):
                added.add({each.key: folded + -kept})
            else:
                replaced.append((each.key, _replacement(kept, folded, held)))
        for key, sums in replaced:
            own = (arms.c[name] == str(part) for name, part in key._asdict().items())
            values = {name: getattr(sums, name) for name in ("at", "half_life", *SUMS)}
            connection.execute(update(arms).where(*own).values(**values, revision=current_revision(connection.dialect)))
        for (router_id, signal), seconds in {(key[0], key.signal): sums.half_life for key, sums in replaced}.items():
            # So that retention, which adds to these rows, fades them as the fold does.
            of_signal = (checkpoints.c.router_id == router_id) & (checkpoints.c.signal == signal.value)
            connection.execute(update(checkpoints).where(of_signal).values(half_life=seconds))
        cursor = connection.connection.cursor()
        self._add.write(cursor, added.rows())
        self._note_changed.write(cursor, sorted({(each.key.router_id,) for each in differences}))
        return bool(replaced)

    def _lock(self, connection: Connection, router_ids: set[str]) -> dict[StatisticKey, Sums]:
        """Read and lock the rows of some routers, in the order in which writers lock them."""
        query = select_sums(arms).where(arms.c.router_id.in_(router_ids)).with_for_update()
        bytewise = "binary" if self._database.sqlite else "C"
        return read_sums(connection.execute(query.order_by(*(collate(key, bytewise) for key in arms.primary_key))))

    def _has_former_half_lives(self, router_id: str) -> bool:
        with self._database.read() as connection:
            kept = read_statistics(connection, router_id)
        half_lives = HalfLives(self._half_life, kept.items())
        return any(sums.half_life != half_lives(router_id, key.signal) for key, sums in kept.items())


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
    """Test whether adding can correct the row: not if it has another half-life, or is so large that digits are lost."""
    small = (abs(a) <= 1e3 * max(1.0, abs(b)) for a, b in zip(_numbers(kept), _numbers(folded), strict=True))
    return _is_sane(kept, folded) and kept.half_life == folded.half_life and all(small)


def _is_sane(kept: Sums, folded: Sums) -> bool:
    """Test whether the row can tell what is added to it: it is finite, and not at a later instant than its events."""
    numbers = _numbers(kept)
    return (
        all(map(math.isfinite, (kept.at, *numbers)))
        and kept.at <= folded.at + CLOCK_TOLERANCE_SECONDS
        and all(abs(a) <= max(LARGEST_SANE, 1e3 * abs(b)) for a, b in zip(numbers, _numbers(folded), strict=True))
    )


def _replacement(kept: Sums, folded: Sums, held: Sums) -> Sums:
    """The fold with what was learned since, so that what is known never falls.

    With another half-life that is a little off, until the row is compared once more.
    """
    if not _is_sane(kept, folded):
        return folded
    return folded + dataclasses.replace(held + -kept, half_life=folded.half_life)


def _pieces(differences: list[Difference]) -> Iterator[list[Difference]]:
    """Divide sorted differences: the rows of a router stay together."""
    piece: list[Difference] = []
    for _, own in groupby(differences, key=lambda each: each.key.router_id):
        rows = list(own)
        if piece and len(piece) + len(rows) > CORRECTED_AT_ONCE:
            yield piece
            piece = []
        piece += rows
    if piece:
        yield piece


def _numbers(sums: Sums) -> tuple[float, float, float]:
    return sums.weight, sums.total, sums.squares


def _nothing(like: Sums) -> Sums:
    return Sums(like.at, like.half_life, 0.0)
