"""Pending events: on SQLite a busy writer leaves it to a fold to add requests and scores to the roll-ups.

Adding them is a third of the work of a single request's transaction: ten rows of up to 46 columns, on pages of their
own. A row of `pending_events` has what the roll-ups need of a transaction, and is committed with it. A fold adds up
many such rows, in a transaction that deletes them: so the roll-ups plus what is pending is what the ledger adds up to
at every instant, also after a crash.

Transactions of SQLite are serial, so a fold misses none that commits late, and two never add the same row. PostgreSQL
has the table, but leaves it empty: there adding is the server's work, and rows that are deleted all the time would stay
in the way of every fold while a long query runs.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection, Dialect, bindparam, column, delete, insert, select, table

from bandit.types import Attempt, Ending
from storage.database.addition import note_changed_routers
from storage.database.bulk import Cursor, compile_text
from storage.database.numbers import draw_number
from storage.records import CompletionRecord, Status
from storage.roll_ups import RollUps, RollUpStatements, ScoreChange
from storage.rows import clean
from storage.tables import pending_events

log = logging.getLogger(__name__)

FOLDED_AT_ONCE = 200
"""Rows of a fold, at most."""


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

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[list[_Request], list[ScoreChange]])


class PendingEvents:
    """The statements that leave events and fold them, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        own = pending_events.c.id
        unnumbered = table(pending_events.name, column("events"))  # SQLite numbers the rows
        self._insert = compile_text(insert(unnumbered).values(events=bindparam("events")), dialect)
        self._oldest = f"{compile_text(select(own, pending_events.c.events).order_by(own), dialect)} LIMIT "
        self._delete = compile_text(delete(pending_events).where(own <= bindparam("last")), dialect)
        self._number = compile_text(draw_number(dialect), dialect)
        self._roll_ups = RollUpStatements(dialect)
        self._note_changed = note_changed_routers(dialect)

    def leave(self, cursor: Cursor, records: Sequence[CompletionRecord], changes: Sequence[ScoreChange]) -> None:
        """Leave the events of a transaction, on SQLite."""
        if records or changes:
            events = ([_packed(record) for record in records], changes)
            cursor.execute(self._insert, (_encoder.encode(events),))

    def fold_some(self, cursor: Cursor, count: int = FOLDED_AT_ONCE, *, drop: bool = False) -> bool:
        """Delete the oldest rows, `count` at most, and add them to the roll-ups if not `drop`.

        Returns whether there may be more.
        """
        cursor.execute(f"{self._oldest}{count:d}")
        rows = cursor.fetchall()
        if rows:
            if not drop:
                self._add(cursor, _added_up(events for _, events in rows))
            cursor.execute(self._delete, (rows[-1][0],))
        return len(rows) == count

    def _add(self, cursor: Cursor, sums: RollUps) -> None:
        cursor.execute(self._number)
        self._roll_ups.add(cursor, sums)
        self._note_changed.write(cursor, [(router_id,) for router_id in sorted(sums.activity.routers())])


def read_pending(connection: Connection) -> RollUps:
    """Add up what is pending."""
    return _added_up(connection.execute(select(pending_events.c.events)).scalars())


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


def _added_up(rows: Iterable[bytes]) -> RollUps:
    """Add up the events of all rows but of those that can't be read, such as damaged ones."""
    listed, sums = list(rows), RollUps()
    try:
        for row in listed:
            _add_row(sums, row)
    except Exception:  # a damaged row must keep no other one from being counted
        sums = RollUps()
        for row in filter(_is_sound, listed):
            _add_row(sums, row)
    return sums


def _is_sound(row: bytes) -> bool:
    """Test whether the events of a row can be read and added up."""
    try:
        _add_row(RollUps(), row)
    except Exception:
        log.exception("a row of pending_events is damaged, and dropped: `bandit-gateway rebuild` mends that")
        return False
    return True


def _add_row(sums: RollUps, row: bytes) -> None:
    found, changes = _decoder.decode(row)
    requests: _Requests = found
    for request in requests:
        sums.add_request(request, request, request.attempts)
    for change in changes:
        sums.add_scores(change)
