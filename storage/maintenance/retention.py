"""Deletes old requests in batches, and adds their part of the fold to a checkpoint."""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from bandit.types import Epoch
from storage.activity import COUNTS, KEPT_SECONDS, ActivityCounts
from storage.calendar import DAY
from storage.database.addition import add_counts, add_sums
from storage.database.engine import Database
from storage.database.months import add_months, first_id
from storage.deltas import DeltaSums
from storage.fixed_sums import SUMS as FIXED
from storage.fixed_sums import cells_of, fold_query
from storage.maintenance.counting import count_requests
from storage.maintenance.fold import (
    HalfLives,
    RouterHalfLife,
    current_scores,
    fold_outcomes,
    fold_scores,
    select_outcomes,
)
from storage.maintenance.retired import RetiredMonth, drop_retired, note_folded, read_retired, retire_months
from storage.maintenance.usage import deleted_usage, keep_usage
from storage.stores.arms import read_sums, select_sums
from storage.stores.identity import begin_epoch_in
from storage.tables import (
    activity,
    activity_checkpoints,
    arms,
    attempts,
    checkpoints,
    choices,
    contents,
    decisions,
    feedback,
    fixed_sums_checkpoints,
    refused_records,
    scores,
    settings,
)
from storage.writing.cache import CHOICE_SECONDS
from storage.writing.scores import LearnScores

log = logging.getLogger(__name__)

DELETED_AT_ONCE = 200
FOLDED_AT_ONCE = 2_000
_EXPIRED_AT_ONCE = 24  # minutes or hours of activity
_CLAIM = "retention"
DOUBTED_SECONDS = float(DAY)
"""A round so long after the last one may be a clock's mistake."""

Laws: TypeAlias = Callable[[Connection, Collection[str]], tuple[LearnScores, RouterHalfLife]]
"""Return how scores of these routers are learned and their half-lives, locked until the commit.

A half-life that changes before the commit would otherwise fade what is deleted by the former one, for good.
"""


class Retention:
    """Deletes old requests. Every method raises DatabaseUnavailable.

    A request goes with its attempts, content, scores and comments. Statistics, activity and task names stay, and a
    rebuild comes to the same statistics as before.
    """

    def __init__(self, database: Database, laws: Laws) -> None:
        self._database = database
        self._laws = laws
        self._add = add_sums(checkpoints, database.engine.dialect)
        self._keep_usage = keep_usage(database.engine.dialect)
        self._count = add_counts(activity_checkpoints, database.engine.dialect, COUNTS)
        self._sum = add_counts(fixed_sums_checkpoints, database.engine.dialect, FIXED)
        self._insert = sqlite.insert if database.sqlite else postgresql.insert

    def claim(self, at: Epoch, seconds: float) -> bool:
        """Claim a round of deleting, unless a process has claimed one within the last `seconds`. Returns whether.

        A round that comes more than `DOUBTED_SECONDS` after the last is noted alone: the next one is granted. So a
        clock that is ahead at a start, and is set right soon, deletes nothing.
        """
        own = settings.c.name == _CLAIM
        with self._database.write() as connection:
            last = connection.execute(select(settings.c.updated_at).where(own).with_for_update()).scalar()
            if last is None:
                row = {"name": _CLAIM, "value": "null", "updated_at": at}
                first = self._insert(settings).values(row).on_conflict_do_nothing().returning(settings.c.name)
                return connection.execute(first).first() is not None
            if 0.0 <= at - last < seconds:
                return False
            connection.execute(update(settings).where(own).values(updated_at=at))
        if at - last <= DOUBTED_SECONDS:
            return True
        log.info(
            "old requests are deleted in the next round: by the clock the last one was %.1f days ago, and if the clock "
            "is wrong that must not cost what is kept",
            (at - last) / DAY,
        )
        return False

    def count_before(self, router_id: str, before: Epoch) -> int:
        """Count a router's requests that were decided before an instant."""
        old = (decisions.c.router_id == router_id) & (decisions.c.at < before)
        with self._database.read() as connection:
            count: int = connection.execute(select(func.count()).select_from(decisions).where(old)).scalar_one()
        return count

    def delete_some(self, router_id: str, before: Epoch, count: int = DELETED_AT_ONCE, *, erase: bool = False) -> int:
        """Delete the oldest requests of a router that were decided before an instant, `count` at most.

        One short transaction; call it again, with a pause, while it returns `count`. With `erase` SQLite overwrites
        what it deletes.
        """
        old = (decisions.c.router_id == router_id) & (decisions.c.at < before)
        # Rows that another process locks, because it deletes or scores them, are skipped until the next round.
        oldest = select_outcomes().where(old).order_by(decisions.c.at).limit(count).with_for_update(skip_locked=True)
        with self._database.write() as connection:
            self._overwrite(connection, erase)
            rows = connection.execute(oldest).all()
            if rows:
                ids = [row.completion_id for row in rows]
                gathered = DeltaSums()
                learn_scores, half_life = self._laws_of(connection, {router_id})
                fold_outcomes(rows, half_life, gathered)
                scored = connection.execute(current_scores().where(decisions.c.completion_id.in_(ids)))
                fold_scores(scored, learn_scores, half_life, gathered)
                counted = ActivityCounts()
                count_requests(connection, rows, counted)
                self._keep(connection, gathered, counted)
                self._keep_usage.write(connection.connection.cursor(), deleted_usage(rows))
                self._keep_fixed(connection, fold_query(ids=ids))
                delete_requests(connection, ids)
            if len(rows) < count:
                _delete_refused(connection, router_id, before)
        return len(rows)

    def delete_choices(
        self, router_id: str, before: Epoch, count: int = DELETED_AT_ONCE, *, erase: bool = False
    ) -> int:
        """Delete a router's oldest choices, `count` at most, that were used before an instant alone.

        Call it when its requests of then are deleted. A choice is shared only by decisions close to its first.
        """
        free = (choices.c.router_id == router_id) & (choices.c.at < before - CHOICE_SECONDS)
        some = select(choices.c.id).where(free).order_by(choices.c.at).limit(count)
        with self._database.write() as connection:
            self._overwrite(connection, erase)
            return connection.execute(delete(choices).where(choices.c.id.in_(some))).rowcount

    def erase_late_choices(self, router_id: str, before: Epoch) -> None:
        """Delete a router's choices of before an instant that no request uses, although later ones could.

        If there are any, a new epoch begins, in which no writer takes them for stored.
        """
        used = select(decisions.c.choice_id).where(decisions.c.router_id == router_id)
        unused = (choices.c.router_id == router_id) & (choices.c.at < before) & choices.c.id.not_in(used)
        with self._database.write() as connection:
            self._overwrite(connection, erase=True)
            if not self._database.sqlite:
                # Writers' transactions read the identity first: so they have ended, or begin when this one has.
                connection.execute(text("LOCK TABLE identity IN ACCESS EXCLUSIVE MODE"))
            if connection.execute(delete(choices).where(unused)).rowcount:
                begin_epoch_in(connection)

    def delete_contents(self, router_id: str, before: Epoch, count: int = DELETED_AT_ONCE) -> int:
        """Delete prompts and answers of a router's requests that were decided before an instant, `count` at most."""
        own = (decisions.c.router_id == router_id) & (decisions.c.at < before)
        some = select(contents.c.completion_id).join_from(
            contents, decisions, contents.c.completion_id == decisions.c.completion_id
        )
        some = some.where(own, contents.c.completion_id < first_id(before)).limit(count)
        with self._database.write() as connection:
            _delete_refused(connection, router_id, before)
            return connection.execute(delete(contents).where(contents.c.completion_id.in_(some))).rowcount

    def expire_activity(self, now: Epoch) -> int:
        """Delete the oldest minutes and hours of activity that are no longer kept. Returns how many; 0: there are none.

        One short transaction; call it again, with a pause, until it returns 0.
        """
        deleted = 0
        with self._database.write() as connection:
            for table in (activity, activity_checkpoints):
                for width, seconds in KEPT_SECONDS.items():
                    own = table.c.width == width
                    oldest = connection.execute(select(func.min(table.c.start)).where(own)).scalar()
                    if oldest is not None and oldest < now - seconds:
                        until = min(oldest + _EXPIRED_AT_ONCE * width, now - seconds)
                        deleted += connection.execute(delete(table).where(own, table.c.start < until)).rowcount
        return deleted

    def add_months(self, at: Epoch) -> None:
        """Add the partitions that will be needed; none on SQLite."""
        if not self._database.sqlite:
            with self._database.write() as connection:
                add_months(connection, at)

    def retire_months(self, before: Epoch, router_ids: Collection[str]) -> list[str]:
        """Detach the months that ended before an instant, if they have requests of these routers alone.

        What they taught stays part of the fold; `fold_some` moves it to the checkpoints.
        """
        if self._database.sqlite:
            return []
        with self._database.write() as connection:
            return retire_months(connection, before, router_ids)

    def fold_some(self, count: int = FOLDED_AT_ONCE) -> int:
        """Add what requests of retired months taught to the checkpoints, `count` at most; then drop the month.

        Returns the number of requests: 0 if there are none left.
        """
        with self._database.write() as connection:
            for month in read_retired(connection, lock=True):
                if folded := self._fold(connection, month, count):
                    return folded
                drop_retired(connection, month.suffix)
        return 0

    def _fold(self, connection: Connection, month: RetiredMonth, count: int) -> int:
        requests = month.decisions
        next_ones = select_outcomes(requests).where(requests.c.completion_id > month.folded_to)
        rows = connection.execute(next_ones.order_by(requests.c.completion_id).limit(count)).all()
        if rows:
            gathered = DeltaSums()
            last = rows[-1].completion_id
            learn_scores, half_life = self._laws_of(connection, {row.router_id for row in rows})
            fold_outcomes(rows, half_life, gathered)
            scored = current_scores(requests, month.scores)
            scored = scored.where(requests.c.completion_id > month.folded_to, requests.c.completion_id <= last)
            fold_scores(connection.execute(scored), learn_scores, half_life, gathered)
            counted = ActivityCounts()
            count_requests(connection, rows, counted, month.attempts, month.scores)
            self._keep(connection, gathered, counted)
            self._keep_usage.write(connection.connection.cursor(), deleted_usage(rows))
            ids = [row.completion_id for row in rows]
            self._keep_fixed(connection, fold_query(requests, month.attempts, month.scores, ids))
            note_folded(connection, month.suffix, last)
        return len(rows)

    def _overwrite(self, connection: Connection, erase: bool) -> None:
        """Have SQLite overwrite what is deleted."""
        if erase and self._database.sqlite:
            connection.execute(text("PRAGMA secure_delete = ON"))

    def _keep(self, connection: Connection, gathered: DeltaSums, counted: ActivityCounts) -> None:
        """Add to the checkpoints what deleted requests had added."""
        cursor = connection.connection.cursor()
        self._add.write(cursor, gathered.rows())
        self._count.write(cursor, counted.rows())

    def _keep_fixed(self, connection: Connection, deleted: Select[Any]) -> None:
        rows = sorted((*cell, *sums) for cell, sums in cells_of(connection, deleted).items())
        self._sum.write(connection.connection.cursor(), rows)

    def _laws_of(self, connection: Connection, router_ids: Collection[str]) -> tuple[LearnScores, HalfLives]:
        learn_scores, half_life = self._laws(connection, router_ids)
        kept = read_sums(connection.execute(select_sums(arms).where(arms.c.router_id.in_(router_ids))))
        return learn_scores, HalfLives(half_life, kept.items())


def _delete_refused(connection: Connection, router_id: str, before: Epoch) -> None:
    """Delete the records of a router that were refused before an instant."""
    aside = (refused_records.c.router_id == router_id) & (refused_records.c.refused_at < before)
    connection.execute(delete(refused_records).where(aside))


def delete_requests(connection: Connection, ids: Sequence[str]) -> None:
    """Delete requests with all that belongs to them."""
    # SQLite has foreign keys that delete the others; partitions have none.
    for table in (
        (decisions,) if connection.dialect.name == "sqlite" else (attempts, contents, feedback, scores, decisions)
    ):
        key = table.c.completion_id
        # The range is redundant, but leaves out the partitions of other months.
        connection.execute(delete(table).where(key.between(min(ids), max(ids)), key.in_(ids)))
