"""Engines for PostgreSQL, with time limits on connecting, statements, locks and idle transactions."""

from typing import Any

from sqlalchemy import Engine, NullPool, create_engine
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


def make_engine(url: URL, *, pooled: bool = True) -> Engine:
    """Make an engine for a server. Raises DatabaseUnavailable if the driver is not installed."""
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s"
        f" -c idle_in_transaction_session_timeout={FROZEN_SECONDS}s",
    }
    place = url.set(drivername="postgresql+psycopg")
    pooling: dict[str, Any] = {"poolclass": NullPool}
    if pooled:
        pooling = {"pool_size": 5, "max_overflow": 20, "pool_pre_ping": True}
    try:
        return create_engine(place, connect_args=options, paramstyle="format", **pooling)
    except (ModuleNotFoundError, NoSuchModuleError):
        raise DatabaseUnavailable(
            "PostgreSQL needs its driver: install bandit-gateway with the extra `postgres` (psycopg 3)"
        ) from None


def name_of(url: URL) -> str:
    """The URL without its password and options."""
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database).render_as_string()
