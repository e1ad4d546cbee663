"""A large ledger: where it lies, how it is dropped from memory, what it costs its server, and what fills it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from storage.database.engine import Database, open_database
from tests.reliability.scale.fill import Span, fill
from tests.reliability.scale.load import server_cpu_seconds
from tests.reliability.scale.questions import forget_files
from tests.support.postgresql import PostgresqlServer

_SPAN = "span.json"


@dataclass(frozen=True, slots=True)
class Place:
    """A ledger. `forget` drops it from memory, `size` is its bytes on disk, `cpu_seconds` those of its own server."""

    url: str
    forget: Callable[[], None]
    size: Callable[[], int]
    cpu_seconds: Callable[[], float]


@contextmanager
def ledger_in(folder: Path, kind: str) -> Iterator[Place]:
    """The database of this kind in a folder: an empty one, or that which was left there."""
    if kind == "sqlite":
        path = folder / "ledger.db"
        yield Place(f"sqlite:///{path}", lambda: forget_files([path]), lambda: path.stat().st_size, lambda: 0.0)
        return
    with PostgresqlServer(folder / "pg") as server:

        def forget() -> None:
            server.stop()
            forget_files(path for path in server.data.rglob("base/*/*") if path.is_file())
            server.start()

        url = server.url()
        yield Place(url, forget, lambda: _size_of(url), lambda: server_cpu_seconds(server.data))


def span_in(folder: Path) -> Span | None:
    """What the ledger in this folder was filled with; None if it is not filled."""
    written = folder / _SPAN
    return Span(**json.loads(written.read_text())) if written.exists() else None


def filled(database: Database, folder: Path, count: int, seed: int, tell: Callable[[int], None]) -> Span:
    """Fill the ledger in this folder, vacuum and analyse it as autovacuum would, and note that it is filled."""
    span = fill(database, count, time.time(), seed, tell)
    _settle(database)
    (folder / _SPAN).write_text(json.dumps(asdict(span)))
    return span


def _settle(database: Database) -> None:
    with database.unpooled.connect() as connection:
        if database.sqlite:
            driver: Any = connection.connection.driver_connection  # not in a transaction
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return
        patient = connection.execution_options(isolation_level="AUTOCOMMIT")
        patient.execute(text("SET statement_timeout = 0"))
        patient.execute(text("VACUUM ANALYZE"))
        patient.execute(text("CHECKPOINT"))


def _size_of(url: str) -> int:
    database = open_database(url, migrate=False)
    with database.read() as connection:
        size: int = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    database.close()
    return size
