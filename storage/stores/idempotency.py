"""Management calls that name an `Idempotency-Key`: each is done once, and its answer is kept for a day.

A call claims the key's name before it changes anything, and keeps its answer there afterwards. A process may die in
between, so a claim without an answer gives way after a minute; whether the change was made is what the audit trail
says, whose row has the call's request id and is written in the change's own transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from storage.database.engine import Database
from storage.tables import audit, idempotency

KEPT_SECONDS = 86_400.0
RUNNING_SECONDS = 60.0
"""A call without an answer counts as running for this long. No call takes longer: statements have a time limit."""

_headers = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class IdempotentCall:
    """A call that is to be done once. `digest` is that of its request; `at` is when it began."""

    key_id: str
    name: str
    digest: str
    request_id: str
    at: float


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The answer to a call. `headers` are those that belong to it alone."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class FormerCall:
    """The call that has the name. `answer` None: it is running; with `change_id`, its answer was lost."""

    digest: str
    answer: KeptAnswer | None = None
    change_id: str | None = None


class Idempotency:
    """The calls of the last day. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.sqlite else postgresql.insert

    def claim(self, call: IdempotentCall) -> FormerCall | None:
        """Claim the call's name. None: the call is to be done now; otherwise by whom it was claimed before."""
        row = {
            "key_id": call.key_id,
            "name": call.name,
            "digest": call.digest,
            "request_id": call.request_id,
            "at": call.at,
        }
        named = _named(call)
        with self._database.write() as connection:
            connection.execute(delete(idempotency).where(idempotency.c.at < call.at - KEPT_SECONDS))
            claimed = self._insert(idempotency).values(row).on_conflict_do_nothing().returning(idempotency.c.name)
            if connection.execute(claimed).first() is not None:
                return None
            former = connection.execute(select(idempotency).where(named).with_for_update()).first()
            if former is None:  # it was released just now
                connection.execute(insert(idempotency), row)
                return None
            if former.status is not None:
                answer = KeptAnswer(former.status, _headers.decode(former.headers), former.body)
                return FormerCall(former.digest, answer)
            if former.digest != call.digest or former.at > call.at - RUNNING_SECONDS:
                return FormerCall(former.digest)
            change_id = _change_of(connection, former.request_id)
            if change_id is not None:
                return FormerCall(former.digest, change_id=change_id)
            connection.execute(update(idempotency).where(named).values(row))
            return None

    def keep(self, call: IdempotentCall, answer: KeptAnswer) -> None:
        """Keep the answer to a call that has claimed its name."""
        values = {
            "status": answer.status,
            "headers": msgspec.json.encode(answer.headers).decode(),
            "body": answer.body,
        }
        with self._database.write() as connection:
            connection.execute(update(idempotency).where(_own(call)).values(values))

    def release(self, call: IdempotentCall) -> None:
        """Give the name of a call that has failed free, unless its change was made nevertheless."""
        with self._database.write() as connection:
            if _change_of(connection, call.request_id) is None:
                connection.execute(delete(idempotency).where(_own(call)))


def _named(call: IdempotentCall) -> ColumnElement[bool]:
    return (idempotency.c.key_id == call.key_id) & (idempotency.c.name == call.name)


def _own(call: IdempotentCall) -> ColumnElement[bool]:
    """The row, unless another call has it by now."""
    return _named(call) & (idempotency.c.request_id == call.request_id)


def _change_of(connection: Connection, request_id: str) -> str | None:
    """The change that a call has made, if any."""
    query = select(audit.c.id).where(audit.c.request_id == request_id).limit(1)
    return connection.execute(query).scalar()
