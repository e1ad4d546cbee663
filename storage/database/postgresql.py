"""How PostgreSQL is opened: with limits on everything that could be waited for."""

from typing import Any

from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import NoSuchModuleError

from storage.errors import DatabaseUnavailable

OLDEST = 13
"""The first version whose transactions can be asked for their ids as numbers that do not wrap around."""

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 60
LOCK_SECONDS = 3
"""Below `storage.database.watchdog`'s limit: a server that waits for a lock says so before the watchdog acts."""

FROZEN_SECONDS = 10
"""After which the server ends the transaction of a process that was stopped in the middle of it: it holds locks."""


def make_engine(url: URL, *, pooled: bool = True) -> Engine:
    """An engine for a server. Raises DatabaseUnavailable where the driver is not installed."""
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
