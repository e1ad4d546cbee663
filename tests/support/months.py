"""Months of the past: a new ledger is partitioned from its first month on."""

from sqlalchemy import text

from bandit.types import Epoch
from storage.database.engine import Database
from storage.database.months import PARTITIONED, month_of, read_months


def divide_past(database: Database, start: Epoch) -> None:
    """Partition an empty ledger on PostgreSQL from an instant on."""
    with database.write() as connection:
        begun = read_months(connection)[0]
        for table in PARTITIONED:
            connection.execute(text(f"DROP TABLE {table}_before"))
            month = month_of(start)
            while month < begun:
                bounds = f"FOR VALUES FROM ('{month.first_id}') TO ('{month.next().first_id}')"
                connection.execute(text(f"CREATE TABLE {table}_{month.suffix} PARTITION OF {table} {bounds}"))
                month = month.next()
