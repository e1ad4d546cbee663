"""What it costs on PostgreSQL to let requests go: a month as a whole, and as many rows one by one with vacuum."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from bandit.types import Epoch
from gateway.maintenance.rebuild import retention_of
from storage.database.engine import Database
from storage.database.months import read_months
from tests.reliability.scale.load import wal_bytes
from tests.reliability.scale.requests import ROUTERS

DELETED = 20_000
"""Requests that are deleted by rows."""


def let_go(database: Database, tell: Callable[[str], None]) -> dict[str, Any]:
    """Retire the oldest whole month of a filled ledger, and then delete rows of the next."""
    with database.read() as connection:
        _, _, third, *_ = read_months(connection)
    tell("retiring a month")
    wal, before = wal_bytes(database), time.monotonic()
    retired = retention_of(database).retire_months(third.start, list(ROUTERS))
    detached_ms = (time.monotonic() - before) * 1e3
    before, folded, longest_ms = time.monotonic(), 0, 0.0
    while True:
        began = time.monotonic()
        if not (count := retention_of(database).fold_some()):
            break
        longest_ms = max(longest_ms, (time.monotonic() - began) * 1e3)
        folded += count
    fold_seconds, dropped_ms = began - before, (time.monotonic() - began) * 1e3
    month_wal = wal_bytes(database) - wal
    tell("deleting rows")
    wal, before, deleted = wal_bytes(database), time.monotonic(), 0
    while deleted < DELETED:
        deleted += retention_of(database).delete_some("rtr_large", Epoch(third.next().start))
    rows_seconds, rows_wal = time.monotonic() - before, wal_bytes(database) - wal
    wal, before = wal_bytes(database), time.monotonic()
    with database.unpooled.connect() as connection:
        patient = connection.execution_options(isolation_level="AUTOCOMMIT")
        patient.execute(text("SET statement_timeout = 0"))
        patient.execute(text("VACUUM"))
    return {
        "retired": retired,
        "detached_ms": round(detached_ms, 1),
        "folded": folded,
        "fold_us_per_request": round(fold_seconds / folded * 1e6),
        "longest_fold_ms": round(longest_ms, 1),
        "dropped_ms": round(dropped_ms, 1),
        "wal_bytes_per_request": round(month_wal / folded, 1),
        "deleted_by_rows": deleted,
        "rows_us_per_request": round(rows_seconds / deleted * 1e6),
        "rows_wal_bytes_per_request": round(rows_wal / deleted),
        "vacuum_seconds": round(time.monotonic() - before, 1),
        "vacuum_wal_bytes_per_request": round((wal_bytes(database) - wal) / deleted),
    }
