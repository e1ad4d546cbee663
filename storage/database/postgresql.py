"""Engines for PostgreSQL, with time limits on connecting, statements, locks and idle transactions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import NoSuchModuleError

from storage.errors import DatabaseUnavailable

OLDEST = 13
"""The first version with 64-bit transaction ids (`pg_current_xact_id`), which don't wrap around."""

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 60
LOCK_SECONDS = 3
"""Below the watchdog's limit: the server reports a lock that it waits for before the watchdog closes the socket."""

FROZEN_SECONDS = 10
"""The server ends a transaction that is idle for this long, because a stopped process would hold its locks."""

BINARY = "binary_results"
"""Execution option of a query of many floats: to write and to read them as decimals is most of its work."""

_BINARY_FORMAT = 1
"""PostgreSQL's own number."""

_LIMITS = {
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{FROZEN_SECONDS}s",
}
_OPTION = re.compile(r"\s*(?:-c\s*|--)([A-Za-z_][\w.-]*)=((?:\\.|[^\s\\])*)(?=\s|$)")
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL, taken apart: `place` without what is ours, the schema that it names, and the settings of its `options`."""

    place: URL
    schema: str | None
    settings: Mapping[str, str]

    @property
    def where(self) -> str:
        """The URL without its password and options."""
        url = self.place
        return URL.create("postgresql", url.username, None, url.host, url.port, url.database).render_as_string()


def read_address(url: URL, schema: str | None = None) -> Address:
    """Take a URL apart: `?schema=`, which wins over `schema`, `?search_path=` and `?options=-c name=value`.

    Raises DatabaseUnavailable if one of them can't be read.
    """
    asked = {name: url.query[name] for name in ("schema", "search_path", "options") if name in url.query}
    settings = _read_options(_only(asked, "options") or "")
    if path := _only(asked, "search_path"):
        settings["search_path"] = path
    named = _only(asked, "schema") or schema
    if named is not None and (not _SCHEMA.fullmatch(named) or named.startswith("pg_")):
        raise DatabaseUnavailable(
            f"the schema must be up to 63 letters, digits and `_`, not starting with a digit or pg_, not {named!r}"
        )
    place = url.difference_update_query(asked).set(drivername="postgresql+psycopg")
    return Address(place, named, settings)


def make_engine(place: URL, settings: Mapping[str, str], *, pooled: bool = True, pooler: bool = False) -> Engine:
    """Make an engine for a server. Raises DatabaseUnavailable if the driver is not installed.

    The settings and our time limits hold for each connection. `pooler`: a connection pooler is in between, which gives
    each transaction another connection; then they are set at the begin of each transaction.
    """
    session = {**_LIMITS, **settings}
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "fallback_application_name": "bandit-gateway",
    }
    if pooler:
        options["prepare_threshold"] = None  # statements would be prepared on another transaction's connection
    else:
        options["options"] = " ".join(f"-c {name}={_escaped(value)}" for name, value in session.items())
    pooling: dict[str, Any] = {"poolclass": NullPool}
    if pooled:
        pooling = {"pool_size": 5, "max_overflow": 20, "pool_pre_ping": True}
    try:
        # Errors, which are logged, must not tell what callers have said.
        engine = create_engine(place, connect_args=options, paramstyle="format", hide_parameters=True, **pooling)
    except (ModuleNotFoundError, NoSuchModuleError):
        raise DatabaseUnavailable(
            "PostgreSQL needs its driver: install bandit-gateway with the extra `postgres` (psycopg 3)"
        ) from None

    @event.listens_for(engine, "before_cursor_execute")
    def choose_format(
        _connection: Connection, cursor: Any, _sql: str, _parameters: object, context: Any, _: bool
    ) -> None:
        if context is not None and BINARY in context.execution_options:
            cursor.format = _BINARY_FORMAT

    if pooler:
        prepare = set_locally(settings)

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql(prepare)

    return engine


def set_locally(settings: Mapping[str, str]) -> str:
    """The statement that sets our time limits and these settings for one transaction."""
    session = {**_LIMITS, **settings}
    calls = (f"set_config({_literal(name)}, {_literal(value)}, true)" for name, value in session.items())
    return "SELECT " + ", ".join(calls)


def quoted(name: str) -> str:
    """A name as an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _only(query: Mapping[str, str | tuple[str, ...]], name: str) -> str | None:
    value = query.get(name)
    if isinstance(value, tuple):
        raise DatabaseUnavailable(f"the database URL says `{name}` twice")
    return value


def _read_options(text: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _OPTION.match(text, position)
        if match is None:
            raise DatabaseUnavailable("`options` in the database URL must be like `-c search_path=mine`")
        settings[match[1].replace("-", "_")] = re.sub(r"\\(.)", r"\1", match[2])
        position = match.end()
    return settings


def _escaped(value: str) -> str:
    return re.sub(r"([\\\s])", r"\\\1", value)


def _literal(text: str) -> str:
    # The driver takes a `%` for a parameter.
    inner = text.replace("\\", "\\\\").replace("'", "''").replace("%", "\\x25")
    return f"E'{inner}'"


def prepare_sums(connection: Connection) -> None:
    """Have this transaction's queries sum rows by hash, in one process.

    Buckets times models are taken for more groups than there are, and whole rows would be sorted on disk by them; other
    processes would take the cores of requests, and more of them than they save.
    """
    connection.execute(_SUMS)


_SUMS = text("SELECT set_config('work_mem', '64MB', true), set_config('max_parallel_workers_per_gather', '0', true)")
