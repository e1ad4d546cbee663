"""The ledger's identity: which ledger a database holds, and which restore of it.

`ledger_id` is random, made with the tables, and travels with the data: a copy, a dump and a restore keep it, so that a
spool finds its ledger again. `epoch` tells a restored ledger from the one that was running. A purge counts it up,
too: it may have erased choices that writers have in their caches.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from storage.database.engine import Database
from storage.database.revisions import Topic, notify
from storage.tables import identity


@dataclass(frozen=True, slots=True)
class Identity:
    """A ledger's identity."""

    ledger_id: str
    epoch: int


_IDENTITY = select(identity.c.ledger_id, identity.c.epoch)


def read_identity(database: Database) -> Identity:
    """Read the identity of a database's ledger. Raises DatabaseUnavailable."""
    with database.read() as connection:
        return identity_in(connection)


def identity_in(connection: Connection) -> Identity:
    """Read the identity of the ledger that a connection sees."""
    row = connection.execute(_IDENTITY).one()
    return Identity(row.ledger_id, row.epoch)


def begin_epoch(database: Database, above: int = 0) -> Identity:
    """Count the epoch up, beyond `above`, so that processes that run read everything anew.

    Raises DatabaseUnavailable.
    """
    with database.write() as connection:
        return begin_epoch_in(connection, above)


def begin_epoch_in(connection: Connection, above: int = 0) -> Identity:
    """Count the epoch up in a transaction."""
    found = identity_in(connection)
    epoch = max(found.epoch, above) + 1
    connection.execute(update(identity).values(epoch=epoch))
    notify(connection, Topic.ROUTERS)
    return Identity(found.ledger_id, epoch)
