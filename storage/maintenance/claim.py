"""The claim of a rebuild: whoever corrects statistics must know every correction before its own.

A rebuild compares ledger and statistics, which may take minutes, and then writes the difference. Two that do so at once
would both write the same difference. On PostgreSQL an advisory lock makes the second one wait; what is exact on both
databases, also if that lock is lost with its connection, is a count of corrections: it is read before the comparison,
and raised in the transaction of the correction, which is void if another rebuild has raised it meanwhile.
"""

from contextlib import AbstractContextManager

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects import postgresql, sqlite

from storage.database.engine import Database
from storage.database.locks import holding
from storage.tables import settings

_CLAIM = "rebuild"
_ADVISORY_LOCK = 0x72656275696C64  # "rebuild": the id of the advisory lock


def waiting_for_others(database: Database) -> AbstractContextManager[None]:
    """Run the block when no other process of this ledger runs such a block; at once on SQLite."""
    return holding(database, text("SELECT pg_advisory_xact_lock(:lock)").bindparams(lock=_ADVISORY_LOCK))


def read_corrections(connection: Connection) -> int:
    """Read the count of corrections so far."""
    found = connection.execute(select(settings.c.value).where(settings.c.name == _CLAIM)).scalar()
    return 0 if found is None else int(found)


def claim_correction(connection: Connection, corrections: int, at: float) -> bool:
    """Count one correction more, until the commit alone. Returns False if there were others than the ones known."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    claim = insert(settings).values(name=_CLAIM, value=str(corrections + 1), updated_at=at)
    claim = claim.on_conflict_do_update(
        index_elements=["name"],
        set_={"value": claim.excluded.value, "updated_at": claim.excluded.updated_at},
        where=settings.c.value == str(corrections),
    )
    return connection.execute(claim.returning(settings.c.name)).first() is not None
