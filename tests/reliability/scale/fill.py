"""Fills a ledger: the first 20,000 requests are written as the gateway writes them, the rest are copies.

A copy is later and has ids of its own; all else is equal. The statistics are those of the written requests alone: their
size and cost do not depend on the number of requests.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, text

from bandit.types import Epoch
from storage.activity import COUNTS
from storage.calendar import DAY, HOUR, MINUTE
from storage.database.engine import Database
from storage.records import CompletionRecord, FeedbackRecord, RouterModel, RouterRecord
from storage.stores.routers import Routers
from storage.tables import attempts, choices, decisions, feedback, scores
from storage.writing.transaction import Item, Transactions
from tests.support.months import divide_past
from tests.support.records import learn_scores, pace
from tests.support.traffic import MODELS, SHARED_BY, make_records

WRITTEN = 20_000
DAYS = 90
DAY_SECONDS = 86_400
ROUTERS = {"rtr_large": 60, "rtr_medium": 20, "rtr_small": 10, "rtr_a": 4, "rtr_b": 3, "rtr_c": 2, "rtr_d": 1}
"""Each router's share of the requests, in percent."""

FAILED_FIRST = 0.05
SCORED = 0.1
_AT_ONCE = 500
_COPIED = (choices, decisions, attempts, feedback, scores)
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
    def window_ms(self) -> int:
        """The time of one copy."""
        return int((self.end - self.start) * 1e3) // self.copies

    @property
    def start_ms(self) -> int:
        """When the first one was."""
        return int(self.start * 1e3)

    @property
    def step_ms(self) -> int:
        """From one request to the next."""
        return self.window_ms // WRITTEN

    @property
    def step_seconds(self) -> float:
        """The same in seconds."""
        return self.step_ms / 1e3

    def id_of(self, number: int) -> str:
        """The completion of this number, from 0: milliseconds in hex, as everywhere, and the number in decimal."""
        copy, written = divmod(number, WRITTEN)
        return f"req_{self.start_ms + written * self.step_ms + copy * self.window_ms:012x}{number:020d}"


def fill(database: Database, count: int, end: float, seed: int, tell: Callable[[int], None]) -> Span:
    """Fill an empty ledger with `count` requests (a multiple of `WRITTEN`) of the 90 days before `end`."""
    span = Span(end - DAYS * DAY_SECONDS, end, count)
    models = tuple(RouterModel(model_id) for model_id in MODELS)
    for router_id in ROUTERS:
        Routers(database).put(RouterRecord(router_id, router_id, b"s" * 32, {}, models, span.start, span.start))
    if not database.sqlite:
        divide_past(database, Epoch(span.start))
    _write(database, span, seed)
    tell(WRITTEN)
    _copy(database, span, tell)
    return span


def _write(database: Database, span: Span, seed: int) -> None:
    batches = Transactions(database, learn_scores, pace)
    items = _items(span, seed)
    while batch := list(islice(items, _AT_ONCE)):
        batches.write(batch)
    batches.close()


def _items(span: Span, seed: int) -> Iterator[Item]:
    chance = random.Random(seed)
    router_id = ""
    for number, record in enumerate(islice(make_records(seed, span.start, span.step_seconds), WRITTEN)):
        if number % SHARED_BY == 0:
            (router_id,) = chance.choices(list(ROUTERS), list(ROUTERS.values()))
        one = _placed(record, span.id_of(number), router_id, failed_first=chance.random() < FAILED_FIRST)
        yield one
        if chance.random() < SCORED:
            decision = one.decision
            yield (
                FeedbackRecord(
                    id=decision.completion_id.replace("req_", "fbk_"),
                    completion_id=decision.completion_id,
                    key_id=decision.key_id,
                    any_key=False,
                    routers=None,
                    source="user",
                    score=chance.random(),
                    at=one.outcome.ended_at + 60.0,
                ),
            )


def _placed(record: CompletionRecord, completion_id: str, router_id: str, *, failed_first: bool) -> CompletionRecord:
    decision, outcome, tried = record.decision, record.outcome, record.attempts
    if not failed_first:
        tried = (replace(tried[1], number=1),)
        outcome = replace(outcome, attempts=1)
    named = replace(decision, completion_id=completion_id, router_id=router_id, drawn_model_id=tried[0].model_id)
    deltas = {key._replace(router_id=router_id): sums for key, sums in record.deltas.items()}
    return CompletionRecord(named, tried, outcome, deltas)


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
        connection.execute(text("CREATE TEMPORARY TABLE written_activity AS SELECT * FROM activity"))
        connection.commit()
        for copy in range(1, span.copies):
            for table in _COPIED:
                names = list(table.columns.keys())
                chosen = ", ".join(_moved(name, copy, span, sqlite=database.sqlite) for name in names)
                source = f"SELECT {chosen} FROM written_{table.name}"  # noqa: S608
                connection.execute(text(f"INSERT INTO {table.name} ({', '.join(names)}) {source}"))
            connection.commit()
            tell((copy + 1) * WRITTEN)
        _copy_activity(connection)
        connection.commit()
        if not database.sqlite:
            for table in _COPIED:
                connection.execute(text(f"DROP TABLE written_{table.name}"))
            connection.commit()


def _moved(column: str, copy: int, span: Span, *, sqlite: bool) -> str:
    """The value of a column in a copy, as SQL."""
    if column in _TIMES:
        return f"{column} + {copy * span.window_ms / 1e3!r}"
    if column in _IDS:
        written = f"cast(substr({column}, 17) as bigint)"
        instant = f"{span.start_ms + copy * span.window_ms} + {written} * {span.step_ms}"
        digits = f"printf('%012x', {instant})" if sqlite else f"lpad(to_hex({instant}), 12, '0')"
        number = f"substr(cast({10**18} + {written} + {copy * WRITTEN} as text), 2)"
        return f"substr({column}, 1, 4) || {digits} || '00' || {number}"
    return column


def _copy_activity(connection: Connection) -> None:
    """Cells of each day and hour, and of the minutes of the last two days, of about as many requests."""
    counts = ", ".join(f"max({name})" for name in COUNTS)
    for width, first, number in ((DAY, 0, DAYS), (HOUR, 0, 24 * DAYS), (MINUTE, (DAYS - 2) * DAY, 2 * 24 * 60)):
        connection.execute(
            text(
                "INSERT INTO activity SELECT router_id, width, "  # noqa: S608
                "(SELECT min(start) FROM written_activity WHERE width = 86400) + :first + :width * step.value, "
                f"model_id, task, {counts}, max(revision) FROM written_activity, "
                "(WITH RECURSIVE steps(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM steps WHERE value < :last) "
                "SELECT value FROM steps) AS step "
                "WHERE width = :width GROUP BY router_id, width, step.value, model_id, task ON CONFLICT DO NOTHING"
            ),
            {"width": width, "first": first, "last": number},
        )
