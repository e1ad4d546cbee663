"""Pending events: on SQLite a busy writer leaves it to a fold to add to statistics and roll-ups.

Adding is half of the work of a single request's transaction: some twenty rows of up to 46 columns, on pages of their
own. A row of `pending_events` has what they need of a transaction, and is committed with it. A fold adds up many such
rows, in a transaction that deletes them: so statistics and roll-ups plus what is pending are what the ledger adds up
to at every instant, also after a crash.

Transactions of SQLite are serial, so a fold misses none that commits late, and two never add the same row. PostgreSQL
has the table, but leaves it empty: there adding is the server's work, and rows that are deleted all the time would stay
in the way of every fold while a long query runs.
"""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Connection, Dialect, bindparam, column, delete, exists, func, insert, select, table

from bandit.statistics import Deltas, StatisticKey, Sums
from bandit.types import Attempt, Ending
from storage.database.addition import add_sums, note_changed_routers
from storage.database.bulk import Cursor, compile_text
from storage.database.numbers import draw_number
from storage.deltas import SIGNALS, DeltaSums
from storage.key_usage import UsageCounts
from storage.records import CompletionRecord, Status
from storage.roll_ups import RollUps, RollUpStatements, ScoreChange
from storage.rows import clean
from storage.tables import arms, pending_events

log = logging.getLogger(__name__)

FOLDED_AT_ONCE = 600
"""Rows of a fold, at most."""

PARTS = 16
"""Into how many rows, by router, a transaction's events are divided: a part can be folded without the others, and takes
a sixteenth of the time."""

_UNUSABLE = (OverflowError, sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""What the driver raises about a value, and not about the database."""


class _Call(msgspec.Struct, array_like=True):
    """What the roll-ups need of an attempt. Fields are added at the end, with a default: processes of two versions may
    run on one ledger."""

    model_id: str
    ending: Ending
    seconds: float
    cost_usd: float
    prompt_tokens: int | None
    cached_tokens: int
    completion_tokens: int | None
    first_token_seconds: float | None


class _Request(msgspec.Struct, array_like=True):
    """What the roll-ups need of a request: of its decision, and of its outcome."""

    router_id: str
    key_id: str
    task: str
    drawn_model_id: str
    explored: bool
    randomised: bool
    propensity: float
    status: Status
    http_status: int
    ended_at: float
    seconds: float
    overhead_seconds: float
    model_id: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float
    attempts: list[_Call]


_Requests: TypeAlias = Sequence[Any]  # `_Request` has the attributes of a decision and of an outcome, as rows have


class _Sums(msgspec.Struct, array_like=True):
    """The fields of `bandit.statistics.Sums`."""

    at: float
    half_life: float
    weight: float
    total: float
    squares: float


_Key: TypeAlias = tuple[str, str, str, str]
"""The fields of a `StatisticKey`; the signal may be one of a newer version."""


class _Events(msgspec.Struct, array_like=True):
    """What a transaction has left."""

    requests: list[_Request]
    changes: list[ScoreChange]
    learned: list[tuple[_Key, _Sums]] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Events)


class Left(NamedTuple):
    """What a transaction leaves of a part, as the process that wrote it has it."""

    records: list[CompletionRecord]
    changes: list[ScoreChange]
    learned: dict[StatisticKey, Sums]
    used: UsageCounts  # of keys, by the records


class Own:
    """Rows that this process has left: it need not decode them to add them, and knows those of a part.

    Others may have folded some, and SQLite may have given their ids away again: so ids are only where to look.
    """

    __slots__ = ("_ids", "rows")

    def __init__(self) -> None:
        self.rows: dict[bytes, Left] = {}
        self._ids: list[list[tuple[int, bytes]]] = [[] for _ in range(PARTS)]

    def note(self, part: int, id_: int, row: bytes, left: Left) -> None:
        """Note a row of a part, which is committed."""
        self.rows[row] = left
        self._ids[part].append((id_, row))

    def ids(self, part: int) -> list[int]:
        """Where a part's rows were written."""
        return [id_ for id_, _ in self._ids[part]]

    def forget(self, part: int) -> None:
        """Forget a part's rows, which this process or others have folded."""
        for _, row in self._ids[part]:
            self.rows.pop(row, None)
        self._ids[part].clear()

    def clear(self) -> None:
        """Forget all."""
        self.rows.clear()
        self._ids = [[] for _ in range(PARTS)]


def part_of(router_id: str) -> int:
    """The part that a router belongs to, in this process."""
    return hash(router_id) % PARTS


def divide(records: Sequence[CompletionRecord], changes: Sequence[ScoreChange], learned: Deltas) -> dict[int, Left]:
    """Divide the events of a transaction into parts by router."""
    parts: dict[int, Left] = {}

    def left_of(router_id: str) -> Left:
        part = part_of(router_id)
        found = parts.get(part)
        if found is None:
            found = parts[part] = Left([], [], {}, UsageCounts())
        return found

    for record in records:
        left = left_of(record.decision.router_id)
        left.records.append(record)
        left.used.add_request(record.decision, record.outcome)
    for change in changes:
        left_of(change.after.router_id).changes.append(change)
    for key, sums in learned.items():
        left_of(key.router_id).learned[key] = sums
    return parts


class Fold(NamedTuple):
    """What a fold has done. `more`: there may be more rows; `is_own`: it added rows, all left by this process."""

    more: bool
    is_own: bool


class PendingEvents:
    """The statements that leave events and fold them, compiled once. `count` selects how many rows are pending."""

    def __init__(self, dialect: Dialect) -> None:
        own = pending_events.c.id
        unnumbered = table(pending_events.name, column("events"))  # SQLite numbers the rows
        self._insert = compile_text(insert(unnumbered).values(events=bindparam("events")), dialect)
        self._oldest = f"{compile_text(select(own, pending_events.c.events).order_by(own), dialect)} LIMIT "
        self._delete = compile_text(delete(pending_events).where(own <= bindparam("last")), dialect)
        self.count = compile_text(select(func.count()).select_from(pending_events), dialect)
        given = "WHERE id IN (SELECT value FROM json_each(?))"
        self._these = f"SELECT events FROM {pending_events.name} {given}"  # noqa: S608
        self._delete_these = f"DELETE FROM {pending_events.name} {given}"  # noqa: S608
        self._number = compile_text(draw_number(dialect), dialect)
        self._roll_ups = RollUpStatements(dialect)
        self._arms = add_sums(arms, dialect)
        self._note_changed = note_changed_routers(dialect)

    def leave(self, cursor: Any, left: Left) -> tuple[int, bytes]:
        """Leave the events of a part of a transaction, on SQLite. Returns the row, with its id."""
        records, changes, learned, _ = left
        parts = [(key, (it.at, it.half_life, it.weight, it.total, it.squares)) for key, it in learned.items()]
        row = _encoder.encode(([_packed(record) for record in records], changes, parts))
        cursor.execute(self._insert, (row,))
        return cursor.lastrowid, row

    def fold_some(self, cursor: Cursor, own: Own, count: int = FOLDED_AT_ONCE) -> Fold:
        """Delete the oldest rows, `count` at most, and add them.

        A row that can't be read or added, such as a damaged one, is dropped alone. What was folded leaves `own`.
        """
        cursor.execute(f"{self._oldest}{count:d}")
        rows = cursor.fetchall()
        is_own = self._fold(cursor, [events for _, events in rows], own)
        if rows:
            cursor.execute(self._delete, (rows[-1][0],))
        return Fold(len(rows) == count, is_own)

    def fold_part(self, cursor: Cursor, own: Own, part: int) -> bool:
        """Delete the rows of a part that this process has left, and add them. Returns whether all were its own."""
        ids = str(own.ids(part))
        cursor.execute(self._these, (ids,))
        is_own = self._fold(cursor, [events for (events,) in cursor.fetchall()], own)
        cursor.execute(self._delete_these, (ids,))
        return is_own

    def _fold(self, cursor: Cursor, rows: Sequence[bytes], own: Own) -> bool:
        """Add rows. Returns whether there were some, all left by this process."""
        is_own = bool(rows) and all(events in own.rows for events in rows)
        if rows and not self._try(cursor, rows, own):
            is_own = False  # none, or several numbers are drawn
            for events in rows:
                if not self._try(cursor, [events], own):
                    log.error("a row of pending_events is damaged, and dropped: `bandit-gateway rebuild` mends that")
        for events in rows:
            own.rows.pop(events, None)
        return is_own

    def fold(self, cursor: Cursor) -> None:
        """Fold all rows."""
        while self.fold_some(cursor, Own()).more:
            pass

    def _try(self, cursor: Cursor, rows: Sequence[bytes], own: Own) -> bool:
        """Add the rows, all or none. Returns whether they could be added."""
        sums = _added_up(rows, own)
        if sums is None:
            return False
        cursor.execute("SAVEPOINT added")
        try:
            self._add(cursor, sums)
        except _UNUSABLE:
            cursor.execute("ROLLBACK TO added")
            added = False
        else:
            added = True
        cursor.execute("RELEASE added")
        return added

    def _add(self, cursor: Cursor, sums: "Pending") -> None:
        cursor.execute(self._number)
        learned = sums.learned.rows()
        self._arms.write(cursor, learned)
        self._roll_ups.add(cursor, sums.roll_ups)
        changed = sums.roll_ups.activity.routers() | {str(row[0]) for row in learned}
        self._note_changed.write(cursor, [(router_id,) for router_id in sorted(changed)])


class Pending:
    """The sum of what transactions have left. Signals in `learned` are names."""

    __slots__ = ("learned", "roll_ups")

    def __init__(self) -> None:
        self.roll_ups = RollUps()
        self.learned = DeltaSums()

    def add_own(self, left: Left) -> None:
        """Add the events of a row that this process has left."""
        roll_ups = self.roll_ups
        for record in left.records:
            roll_ups.activity.add_request(record.decision, record.outcome, record.attempts)
            roll_ups.fixed.add_request(record.decision, record.outcome, record.attempts)
        roll_ups.usage.add(left.used)
        for change in left.changes:
            roll_ups.add_scores(change)
        self.learned.add(left.learned)

    def add(self, row: bytes) -> None:
        """Add a row's events. Raises an error if it is damaged; some of its events may have been added."""
        events = _decoder.decode(row)
        requests: _Requests = events.requests
        for request in requests:
            self.roll_ups.add_request(request, request, request.attempts)
        for change in events.changes:
            self.roll_ups.add_scores(change)
        learned: Any = dict(events.learned)  # with the attributes of deltas
        self.learned.add(learned)

    def is_finite(self) -> bool:
        """Test whether the sums of the roll-ups are finite; those of statistics are."""
        return all(map(isfinite, self.roll_ups.totals()))

    def sums(self, router_id: str | None = None) -> dict[StatisticKey, Sums]:
        """What was learned, of one router or of all; signals that this version does not know are left out."""
        return {
            StatisticKey(own, model_id, task, SIGNALS[signal]): Sums(*parts)
            for (own, model_id, task, signal), parts in self.learned.parts()
            if signal in SIGNALS and router_id in {None, own}
        }


def fold_pending(connection: Connection) -> None:
    """Fold all that is pending in the connection's transaction."""
    if connection.execute(select(exists().select_from(pending_events))).scalar_one():
        PendingEvents(connection.dialect).fold(connection.connection.cursor())


def read_pending(connection: Connection) -> Pending:
    """Add up what is pending, but for rows that a fold drops."""
    rows = connection.execute(select(pending_events.c.events)).scalars().all()
    return _added_up(rows) or _added_up([row for row in rows if _added_up([row])]) or Pending()


def _added_up(rows: Iterable[bytes], own: Own | None = None) -> Pending | None:
    """Add up rows; None if some can't be read, or if a sum is not finite."""
    sums = Pending()
    try:
        for row in rows:
            left = None if own is None else own.rows.get(row)
            if left is None:
                sums.add(row)
            else:
                sums.add_own(left)
        return sums if sums.is_finite() else None
    except Exception:  # a damaged row may raise any
        return None


def _packed(record: CompletionRecord) -> tuple[object, ...]:
    """The fields of a `_Request`."""
    decision, outcome = record.decision, record.outcome
    return (
        decision.router_id,
        decision.key_id,
        clean(decision.task),
        decision.drawn_model_id,
        decision.explored,
        decision.randomised,
        decision.propensity,
        outcome.status,
        outcome.http_status,
        outcome.ended_at,
        outcome.seconds,
        outcome.overhead_seconds,
        outcome.model_id,
        outcome.prompt_tokens,
        outcome.completion_tokens,
        outcome.cost_usd,
        [_packed_call(attempt) for attempt in record.attempts],
    )


def _packed_call(attempt: Attempt) -> tuple[object, ...]:
    return (
        attempt.model_id,
        attempt.ending,
        attempt.seconds,
        attempt.cost_usd,
        attempt.prompt_tokens,
        attempt.cached_tokens,
        attempt.completion_tokens,
        attempt.first_token_seconds,
    )
