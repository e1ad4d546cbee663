"""Reads activity and the usage of keys: sums per bucket of time."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    func,
    literal_column,
    select,
)

from bandit.types import Epoch
from storage.activity import COUNTS
from storage.calendar import DAY, HOUR, start_of
from storage.database.engine import Database
from storage.database.postgresql import prepare_sums
from storage.key_usage import USED, Usage
from storage.stores.day_sums import SUMMED, DaySums, every_router, sum_of
from storage.stores.key_usage import in_order_of_keys
from storage.tables import activity, key_usage

_USED = [sum_of(key_usage.c[name]) for name in USED]


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets of time from `since` up to before `until`, both multiples of `seconds`, made of cells of a `width`."""

    width: int
    seconds: int
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """What to sum. None: all of them."""

    router_ids: Collection[str] | None = None
    model_ids: Collection[str] | None = None
    provider: str | None = None
    task: str | None = None


class Summed(NamedTuple):
    """The sums of one bucket, of one model or of all ("")."""

    at: Epoch
    model_id: str
    counts: Sequence[float]  # in the order of COUNTS


_NOTHING = Summed(Epoch(0), "", [0] * len(COUNTS))


class TaskActivity(NamedTuple):
    """What happened to the requests of one class, by model: first draws, and answers that have a score."""

    task: str
    model_id: str
    requests: int
    scored: int


class Activity:
    """What happened. Every method raises DatabaseUnavailable if the database does not answer.

    With `days` the days of all routers come from there.
    """

    def __init__(self, database: Database, days: DaySums | None = None) -> None:
        self._database = database
        self._days = days

    def sums(self, buckets: Buckets, of: ActivityFilter, *, by_model: bool = False) -> list[Summed]:
        """Sum the cells of each bucket, in order of time; buckets in which nothing happened are left out."""
        if (days := self._kept(buckets, of)) is not None:
            sums = (
                ((day - day % buckets.seconds, model_id if by_model else ""), counts) for day, model_id, counts in days
            )
            return _added(sums)
        own = activity.c
        # SQLite sorts all cells by the bucket, unless they are summed in the order of the key, and by bucket here.
        in_order = self._database.sqlite and not by_model
        at: ColumnElement[int] = own.start if in_order else _start_of(own.start, buckets.seconds)
        keys = [at, own.model_id] if by_model else [at]
        query = self._restricted(select(*keys, *SUMMED), buckets, of).group_by(*keys).order_by(*keys)
        with self._database.read() as connection:
            self._prepare(connection)
            rows = connection.execute(query)
            return _added(
                ((row[0] - row[0] % buckets.seconds, row[1] if by_model else ""), row[len(keys) :]) for row in rows
            )

    def total(self, buckets: Buckets, of: ActivityFilter) -> Sequence[float]:
        """Sum the cells of all buckets."""
        if (days := self._kept(buckets, of)) is not None:
            return next(iter(_added(((0, ""), counts) for *_, counts in days)), _NOTHING).counts
        with self._database.read() as connection:
            self._prepare(connection)
            row = connection.execute(self._restricted(select(*SUMMED), buckets, of)).one()
        return [each or 0 for each in row]

    def totals(self, buckets: Buckets, router_ids: Collection[str]) -> dict[str, Sequence[float]]:
        """Sum the cells of all buckets per router; those in which nothing happened are left out."""
        query = self._restricted(select(activity.c.router_id, *SUMMED), buckets, ActivityFilter(router_ids))
        with self._database.read() as connection:
            self._prepare(connection)
            return {row[0]: row[1:] for row in connection.execute(query.group_by(activity.c.router_id))}

    def draws(self, router_id: str, buckets: Buckets) -> list[tuple[int, str, int]]:
        """First draws of each bucket and model, in order of time; those of which there are none are left out."""
        own = activity.c
        query = select(own.start, own.model_id, own.requests).order_by(own.start)
        query = self._restricted(query, buckets, ActivityFilter((router_id,))).where(own.requests > 0)
        if buckets.width == HOUR:  # one cell per class
            query = query.with_only_columns(own.start, own.model_id, func.sum(own.requests))
            query = query.group_by(own.start, own.model_id)
        found: dict[tuple[int, str], int] = {}
        with self._database.read() as connection:
            for start, model_id, requests in connection.execute(query):
                key = (start - start % buckets.seconds, model_id)
                found[key] = found.get(key, 0) + int(requests)
        return [(at, model_id, requests) for (at, model_id), requests in found.items()]

    def of_tasks(self, router_id: str, since: Epoch) -> list[TaskActivity]:
        """What happened in each class of a router's requests, from the hour of `since` on."""
        own = activity.c
        query = select(own.task, own.model_id, func.sum(own.requests), func.sum(own.scored))
        query = query.where(own.router_id == router_id, own.width == HOUR, own.start >= start_of(HOUR, since))
        query = query.group_by(own.task, own.model_id).order_by(own.task, own.model_id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [TaskActivity(task, model_id, int(requests), int(scored)) for task, model_id, requests, scored in rows]

    def total_of_keys(self, buckets: Buckets, key_ids: Collection[str] | None) -> dict[str, Usage]:
        """Sum what keys have used in all buckets: these keys, or None: each that used something."""
        own = key_usage.c
        query = select(own.key_id, *_USED).where(*_in_time(buckets))
        query = query.where(*in_order_of_keys(self._database) if key_ids is None else (own.key_id.in_(key_ids),))
        with self._database.read() as connection:
            self._prepare(connection)
            return {row[0]: Usage(*row[1:]) for row in connection.execute(query.group_by(own.key_id))}

    def of_keys(self, buckets: Buckets, key_ids: Collection[str]) -> list[tuple[Epoch, str, Usage]]:
        """Sum what these keys have used in each bucket, in order of time."""
        own = key_usage.c
        at = _start_of(own.start, buckets.seconds)
        query = select(at, own.key_id, *_USED).where(*_in_time(buckets), own.key_id.in_(key_ids))
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(at, own.key_id).order_by(at, own.key_id)).all()
        return [(row[0], row[1], Usage(*row[2:])) for row in rows]

    def _kept(self, buckets: Buckets, of: ActivityFilter) -> list[tuple[int, str, Sequence[float]]] | None:
        """The days that are asked for, by model; None: they are not of all routers, or not kept."""
        if self._days is None or buckets.width != DAY or of.router_ids is not None or of.task is not None:
            return None
        own = "" if of.provider is None else f"{of.provider}/"
        return [
            (day, model_id, counts)
            for (day, model_id), counts in self._days.read(buckets.since, buckets.until).items()
            if model_id.startswith(own) and (of.model_ids is None or model_id in of.model_ids)
        ]

    def _restricted(self, query: Select[Any], buckets: Buckets, of: ActivityFilter) -> Select[Any]:
        own = activity.c
        query = query.where(own.width == buckets.width, own.start >= buckets.since, own.start < buckets.until)
        if of.router_ids is not None:
            query = query.where(own.router_id.in_(of.router_ids))
        elif self._database.sqlite and buckets.width == DAY:
            # In their order SQLite reads the days of each router at once, and not by `start` with a search for each
            # row: two thirds of the work.
            query = query.where(own.router_id.in_(every_router()))
        if of.model_ids is not None:
            query = query.where(own.model_id.in_(of.model_ids))
        if of.provider is not None:
            query = query.where(own.model_id.startswith(f"{of.provider}/", autoescape=True))
        return query if of.task is None else query.where(own.task == of.task)

    def _prepare(self, connection: Connection) -> None:
        if not self._database.sqlite:
            prepare_sums(connection)


def _added(sums: Iterable[tuple[tuple[int, str], Sequence[float]]]) -> list[Summed]:
    """Add up what has the same bucket and model, in their order."""
    found: dict[tuple[int, str], Sequence[float]] = {}
    for key, counts in sums:
        held = found.get(key)
        found[key] = counts if held is None else list(map(add, held, counts))
    return [Summed(Epoch(at), model_id, counts) for (at, model_id), counts in sorted(found.items())]


def _in_time(buckets: Buckets) -> tuple[ColumnElement[bool], ...]:
    own = key_usage.c
    return own.width == buckets.width, own.start >= buckets.since, own.start < buckets.until


def _start_of(start: ColumnElement[int], seconds: int) -> ColumnElement[int]:
    # Not a parameter: PostgreSQL would not know that two of them are the same expression.
    return (start - start % literal_column(str(seconds), Integer)).label("at")
