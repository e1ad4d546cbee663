"""The processes that serve this ledger: each keeps a row with its heartbeat, its state, and whether it spools."""

from collections.abc import Collection
from dataclasses import dataclass, fields

import msgspec
from sqlalchemy import Connection, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from bandit.types import Epoch
from storage.database.engine import Database
from storage.tables import replicas

FORGOTTEN_SECONDS = 86_400.0
"""The row of a replica that was not heard of for this long is deleted."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model that a process sends no requests to, or few. `state` is `cooling` or `parked`; `reason` in words."""

    model_id: str
    state: str
    reason: str
    since: float
    until: float  # from then on a request is tried


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an operator should see to, as the process tells it. `kind` is one word for programs."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """How a process is doing. `problems` keep it from serving, `notes` do not."""

    ledger: str
    queued: int
    spooled: int
    models: tuple[ModelState, ...] = ()
    problems: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()


_decode = msgspec.json.Decoder(ReplicaState).decode


@dataclass(frozen=True, slots=True)
class Replica:
    """A process, as its last heartbeat told it. `spool` is the path that its spool's files begin with."""

    id: str
    host: str
    pid: int
    version: str
    spool: str
    started_at: Epoch
    heartbeat_at: Epoch
    clock_ahead_seconds: float  # of its machine, against the database's
    spooling_since: float | None = None  # its spool may hold requests that ended since; None: it is empty
    state: ReplicaState | None = None  # not told yet, or by a version with another form of it


class Replicas:
    """The replicas of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.sqlite else postgresql.insert

    def beat(self, replica: Replica, gone: Collection[str] = ()) -> list[Replica]:
        """Write a replica's heartbeat, delete the rows of replicas that are gone, and return all that there are.

        It happens now by the database's clock, which is read for that.
        """
        clock = self._database.clock
        with self._database.write() as connection:
            clock.read(connection)
            now = clock.now()
            row = _row(replica) | {"heartbeat_at": now, "clock_ahead_seconds": clock.ahead_seconds}
            near = replicas.c.heartbeat_at.between(now - FORGOTTEN_SECONDS, now + FORGOTTEN_SECONDS)
            statement = self._insert(replicas).values(row)
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
            connection.execute(delete(replicas).where(or_(~near, replicas.c.id.in_(gone))))
            return _read(connection)

    def all(self) -> list[Replica]:
        """All replicas, the oldest first; those that were not heard of for up to a day too."""
        with self._database.read() as connection:
            return _read(connection)

    def remove(self, replica_id: str) -> None:
        """Delete the row of a replica that stops with an empty spool."""
        with self._database.write() as connection:
            connection.execute(delete(replicas).where(replicas.c.id == replica_id))


def _row(replica: Replica) -> dict[str, object]:
    row = {field.name: getattr(replica, field.name) for field in fields(Replica)}
    return row | {"state": None if replica.state is None else msgspec.json.encode(replica.state).decode()}


def _read(connection: Connection) -> list[Replica]:
    found = connection.execute(select(replicas).order_by(replicas.c.started_at, replicas.c.id)).all()
    named = [{field.name: row._mapping[field.name] for field in fields(Replica)} for row in found]
    return [Replica(**{**values, "state": _state_of(values["state"])}) for values in named]


def _state_of(text: str | None) -> ReplicaState | None:
    try:
        return None if text is None else _decode(text)
    except msgspec.DecodeError:  # of a newer version
        return None
