"""Fills a ledger: the first 20,000 requests are written as the gateway writes them, the rest are copies.

A copy is some hours later and has ids of its own; all else is equal. Activity and the usage of keys are those of all
requests. The statistics are those of the written requests alone: their size and cost do not depend on the number of
requests.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, text

from bandit.types import Epoch
from storage.activity import COUNTS, KEPT_SECONDS
from storage.calendar import DAY, HOUR, MINUTE
from storage.database.engine import Database
from storage.key_usage import USED
from storage.records import RouterModel, RouterRecord
from storage.stores.routers import Routers
from storage.tables import attempts, choices, decisions, feedback, scores
from storage.writing.transaction import Transactions
from tests.reliability.scale.requests import ROUTERS, SECRET, WRITTEN, requests
from tests.reliability.scale.surroundings import surround
from tests.support.months import divide_past
from tests.support.records import learn_scores, pace
from tests.support.traffic import MODELS

DAYS = 90
_AT_ONCE = 500
_COPIED = (choices, decisions, attempts, feedback, scores)
_SUMMED = ("activity", "key_usage")
_TIMES = {"at", "ended_at", "started_at"}
_IDS = {"id", "completion_id", "choice_id", "feedback_id"}


@dataclass(frozen=True, slots=True)
class Span:
    """When the requests were (seconds since the epoch), and how many."""

    start: float
    end: float
    count: int

    @property
    def copies(self) -> int:
        """How many times the written requests are there, themselves included."""
        return self.count // WRITTEN

    @property
    def window(self) -> int:
        """The seconds of one copy: whole hours, so that cells of activity can be copied, too."""
        return int(self.end - self.start) // self.copies

    @property
    def start_ms(self) -> int:
        """When the first one was."""
        return int(self.start * 1e3)

    @property
    def step_ms(self) -> int:
        """From one request to the next."""
        return self.window * 1_000 // WRITTEN

    @property
    def step_seconds(self) -> float:
        """The same in seconds."""
        return self.step_ms / 1e3

    def at_of(self, number: int) -> float:
        """When the request of this number was decided."""
        copy, written = divmod(number, WRITTEN)
        return self.start + copy * self.window + written * self.step_seconds

    def id_of(self, number: int) -> str:
        """The completion of this number, from 0: milliseconds in hex, as everywhere, and the number in decimal."""
        copy, written = divmod(number, WRITTEN)
        return f"req_{self.start_ms + written * self.step_ms + copy * self.window * 1_000:012x}{number:020d}"


def fill(database: Database, count: int, end: float, seed: int, tell: Callable[[int], None]) -> Span:
    """Fill an empty ledger with `count` requests (a multiple of `WRITTEN`) of about 90 days before `end`."""
    copies = count // WRITTEN
    last = int(end) // HOUR * HOUR
    span = Span(float(last - max(DAYS * DAY // copies // HOUR, 1) * HOUR * copies), float(last), count)
    models = tuple(RouterModel(model_id) for model_id in MODELS)
    for router_id in ROUTERS:
        Routers(database).put(RouterRecord(router_id, router_id, SECRET, {}, models, span.start, span.start))
    if not database.sqlite:
        divide_past(database, Epoch(span.start))
    _write(database, span, seed)
    tell(WRITTEN)
    _copy(database, span, tell)
    surround(database, span.start, span.end, seed)
    return span


def _write(database: Database, span: Span, seed: int) -> None:
    batches = Transactions(database, learn_scores, pace)
    items = requests(seed, span.start, span.step_seconds, map(span.id_of, range(WRITTEN)))
    while batch := list(islice(items, _AT_ONCE)):
        batches.write(batch)
    batches.close()


def _copy(database: Database, span: Span, tell: Callable[[int], None]) -> None:
    with database.unpooled.connect() as connection:
        if database.sqlite:
            driver: Any = connection.connection.driver_connection  # a transaction would keep these as they are
            for pragma in ("synchronous = OFF", "foreign_keys = OFF", "cache_size = -500000"):
                driver.execute(f"PRAGMA {pragma}")
        else:
            connection.execute(text("SET synchronous_commit = off"))
            connection.execute(text("SET session_replication_role = replica"))  # what is copied refers to copies
            connection.execute(text("SET statement_timeout = 0"))
            connection.commit()
        for table in _COPIED:
            name = table.name
            connection.execute(text(f"CREATE TEMPORARY TABLE written_{name} AS SELECT * FROM {name}"))  # noqa: S608
        for name in _SUMMED:
            connection.execute(text(f"CREATE TEMPORARY TABLE written_{name} AS SELECT * FROM {name}"))  # noqa: S608
        connection.commit()
        for copy in range(1, span.copies):
            for table in _COPIED:
                names = list(table.columns.keys())
                chosen = ", ".join(_moved(name, copy, span, sqlite=database.sqlite) for name in names)
                source = f"SELECT {chosen} FROM written_{table.name}"  # noqa: S608
                connection.execute(text(f"INSERT INTO {table.name} ({', '.join(names)}) {source}"))
            connection.commit()
            tell((copy + 1) * WRITTEN)
        _copy_sums(connection, span, "activity", "router_id", ("model_id", "task"), COUNTS, (MINUTE, HOUR, DAY))
        _copy_sums(connection, span, "key_usage", "key_id", (), USED, (MINUTE, DAY))
        connection.commit()
        if not database.sqlite:
            for table in _COPIED:
                connection.execute(text(f"DROP TABLE written_{table.name}"))
            connection.commit()


def _moved(column: str, copy: int, span: Span, *, sqlite: bool) -> str:
    """The value of a column in a copy, as SQL."""
    if column in _TIMES:
        return f"{column} + {copy * span.window}"
    if column in _IDS:
        written = f"cast(substr({column}, 17) as bigint)"
        instant = f"{span.start_ms + copy * span.window * 1_000} + {written} * {span.step_ms}"
        digits = f"printf('%012x', {instant})" if sqlite else f"lpad(to_hex({instant}), 12, '0')"
        number = f"substr(cast({10**18} + {written} + {copy * WRITTEN} as text), 2)"
        return f"substr({column}, 1, 4) || {digits} || '00' || {number}"
    return column


def _copy_sums(
    connection: Connection,
    span: Span,
    table: str,
    owner: str,
    names: Sequence[str],
    counts: Sequence[str],
    widths: Sequence[int],
) -> None:
    """Write the cells of all copies in place of those of the written requests, as long as each width is kept."""
    connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    others, sums = "".join(f", {name}" for name in names), ", ".join(f"sum({name})" for name in counts)
    columns = f"{owner}, width, start{others}, {', '.join(counts)}, revision"
    moved = f"start + {span.window} * copy.value"
    steps = (
        "(WITH RECURSIVE steps(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM steps WHERE value < :last) "
        "SELECT value FROM steps) AS copy"
    )
    for width in widths:
        # Days begin within copies: they are summed from the cells that are short enough to be moved.
        source = width if width < DAY else widths[-2]
        start = moved if width < DAY else f"({moved}) - ({moved}) % {DAY}"
        kept = [name for name in names if name != "task" or width == HOUR]  # without classes but for hours
        shown = "".join(f", {name}" if name in kept else ", ''" for name in names)
        groups = ", ".join(["1", "2", "3", *kept])
        connection.execute(
            text(
                f"INSERT INTO {table} ({columns}) SELECT {owner}, {width}, {start}{shown}, {sums}, max(revision) "  # noqa: S608
                f"FROM written_{table}, {steps} WHERE width = :source AND {moved} >= :kept GROUP BY {groups}"
            ),
            {
                "last": span.copies - 1,
                "source": source,
                "kept": int(span.end - KEPT_SECONDS.get(width, 400 * DAY)),
            },
        )
