"""Fixtures: both databases, fresh for each test. A plugin of pytest, registered in tests/conftest.py."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, delete, inspect, literal_column, text, update

from storage.database.engine import Database, open_database
from storage.tables import metadata, revisions
from tests.support.postgresql import NoPostgresql, PostgresqlServer


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server, or a skip that says why there is none."""
    try:
        server = PostgresqlServer(fsync=False)
    except NoPostgresql as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="session")
def migrated_url(postgresql: PostgresqlServer) -> str:
    """A migrated database that tests leave rows in."""
    execute(postgresql.url(), "CREATE DATABASE migrated")
    execute(postgresql.url(), "ALTER DATABASE migrated SET search_path = bandit_gateway, public")
    open_database(postgresql.url("migrated")).close()
    return postgresql.url("migrated")


@pytest.fixture
def postgresql_url(migrated_url: str) -> str:
    """A database that is migrated and empty. Deleting takes a fraction of the time of making or truncating one."""
    tables = [table for table in reversed(metadata.sorted_tables) if table.name not in {"revisions", "identity"}]
    zero = str(update(revisions).values(value=literal_column("0")))
    execute(migrated_url, "; ".join([*(str(delete(table)) for table in tables), zero]))
    return migrated_url


@pytest.fixture
def empty_postgresql_url(postgresql: PostgresqlServer) -> Iterator[str]:
    """A database without tables."""
    name = f"empty_{next(_names)}"
    execute(postgresql.url(), f"CREATE DATABASE {name}")
    yield postgresql.url(name)
    execute(postgresql.url(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "ledger.db"
    open_database(f"sqlite:///{path}").close()
    return path


_names = itertools.count()


def execute(url: str, sql: str) -> None:
    """Run statements."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh, migrated database; every test that uses it runs on both kinds."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables; every test that uses it runs on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("empty_postgresql_url")
    return url


def insert_row(connection: Connection, table: str, values: dict[str, object]) -> None:
    """Insert a row as an older version did, by the table's columns at its revision."""
    columns = inspect(connection).get_columns(table)
    empty = {"TEXT": "", "BOOLEAN": False, "BLOB": b"", "BYTEA": b""}
    row = {c["name"]: None if c["nullable"] else empty.get(str(c["type"]), 0) for c in columns} | values
    names = ", ".join(row)
    places = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), row)  # noqa: S608


Opening = Callable[[str], Database]


@pytest.fixture
def opening() -> Iterator[Opening]:
    """Opens databases, and closes them at the end."""
    opened: list[Database] = []

    def open_it(url: str) -> Database:
        opened.append(open_database(url))
        return opened[-1]

    yield open_it
    for database in opened:
        database.close()


@pytest.fixture
def database(ledger_url: str, opening: Opening) -> Database:
    return opening(ledger_url)
