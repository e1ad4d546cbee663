"""The ledger's identity: which ledger a database holds, and which restore of it.

`ledger_id` is random, made with the tables, and travels with the data: a copy, a dump and a restore keep it, so that a
spool finds its ledger again. `epoch` tells a restored ledger from the one that was running.
"""

from dataclasses import dataclass

from sqlalchemy import select

from storage.database.engine import Database
from storage.tables import identity


@dataclass(frozen=True, slots=True)
class Identity:
    """A ledger's identity."""

    ledger_id: str
    epoch: int


def read_identity(database: Database) -> Identity:
    """Read the identity of a database's ledger. Raises DatabaseUnavailable."""
    with database.read() as connection:
        row = connection.execute(select(identity.c.ledger_id, identity.c.epoch)).one()
    return Identity(row.ledger_id, row.epoch)
