"""Retires whole months on PostgreSQL: detaches their partitions, adds what they taught to the checkpoint, drops them.

A month is detached in one short transaction, which every reader sees at once. Its part of the fold moves from its
tables to the checkpoints piece by piece; `retired_months` says how far, in the transaction of the piece, and a fold of
the ledger reads the rest from the detached tables. No step commits while a fold reads: both lock `retired_months`.
"""

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, Table, delete, insert, select, text, update

from bandit.types import Epoch
from storage.database.engine import Database
from storage.database.locks import holding
from storage.database.months import BEFORE, OTHER, PARTITIONED, read_months, read_suffixes
from storage.tables import attempts, decisions, retired_months, scores

LOCK_SECONDS = 1
"""How long a lock on the ledger's tables is waited for: others queue behind it as long."""


@dataclass(frozen=True, slots=True)
class RetiredMonth:
    """A detached month, of which the checkpoints have what it taught up to the id `folded_to`."""

    suffix: str
    folded_to: str
    decisions: Table
    attempts: Table
    scores: Table

    @classmethod
    def of(cls, suffix: str, folded_to: str) -> "RetiredMonth":
        """Make it with its own tables."""
        metadata = MetaData()
        own = (table.to_metadata(metadata, name=f"{table.name}_{suffix}") for table in (decisions, attempts, scores))
        return cls(suffix, folded_to, *own)


def keeping_months(database: Database) -> AbstractContextManager[None]:
    """Run the block while no month is retired, so that what it reads is one state; at once on SQLite."""
    return holding(database, text("LOCK TABLE retired_months IN SHARE MODE"))


def retire_months(connection: Connection, before: Epoch, router_ids: Collection[str]) -> list[str]:
    """Detach all months that ended before an instant and have requests of these routers alone. Returns their suffixes.

    Raises the driver's errors, also if a lock is not to be had.
    """
    ends = _ends(connection)
    old = [suffix for suffix, end in ends.items() if end <= before]
    retired: list[str] = []
    for suffix in old:
        if _has_others(connection, suffix, router_ids):
            break  # in order, because choices of a month are used in the next
        if not retired:
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            connection.execute(text(f"LOCK TABLE {', '.join(PARTITIONED)} IN ACCESS EXCLUSIVE MODE"))
        connection.execute(insert(retired_months).values(suffix=suffix, folded_to=""))
        for table in PARTITIONED[1:]:
            connection.execute(text(f"ALTER TABLE {table} DETACH PARTITION {table}_{suffix}"))
        retired.append(suffix)
    if retired:
        _drop_choices(connection, retired[-1])
    return retired


def read_retired(connection: Connection, *, lock: bool = False) -> list[RetiredMonth]:
    """Read the months that are retired but not folded yet, and `lock` them until the transaction's end."""
    query = select(retired_months).order_by(retired_months.c.suffix)
    found = connection.execute(query.with_for_update() if lock else query).all()
    return [RetiredMonth.of(row.suffix, row.folded_to) for row in found]


def note_folded(connection: Connection, suffix: str, folded_to: str) -> None:
    """Note up to which id a retired month is in the checkpoints."""
    own = retired_months.c.suffix == suffix
    connection.execute(update(retired_months).where(own).values(folded_to=folded_to))


def drop_retired(connection: Connection, suffix: str) -> None:
    """Drop a retired month that is folded."""
    connection.execute(delete(retired_months).where(retired_months.c.suffix == suffix))
    for table in PARTITIONED[1:]:
        connection.execute(text(f"DROP TABLE IF EXISTS {table}_{suffix}"))


def _ends(connection: Connection) -> dict[str, Epoch]:
    """When each partition ends, in order; that of what was there before the months ends when they begin."""
    months = read_months(connection)
    ends = {month.suffix: month.next().start for month in months}
    suffixes = set(read_suffixes(connection)) - {OTHER}
    return {BEFORE: months[0].start, **ends} if months and BEFORE in suffixes else ends


def _has_others(connection: Connection, suffix: str, router_ids: Collection[str]) -> bool:
    query = text(f"SELECT EXISTS (SELECT FROM decisions_{suffix} WHERE router_id <> ALL (:known))")  # noqa: S608
    found: bool = connection.execute(query, {"known": list(router_ids)}).scalar_one()
    return found


def _drop_choices(connection: Connection, suffix: str) -> None:
    """Drop the choices of the months before one: its own may be used in the next."""
    query = "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = to_regclass('choices')"
    for name in connection.execute(text(query)).scalars().all():
        other = name.removeprefix("choices_")
        if other != OTHER and suffix != BEFORE and (other == BEFORE or other < suffix):
            connection.execute(text(f"DROP TABLE {name}"))
