"""Queries of what has changed, built once: to build them takes longer than to run them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Select,
    Table,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
)

from storage.calendar import DAY
from storage.database.bulk import among, dialect_of
from storage.database.numbers import last_number
from storage.stores.arms import select_sums
from storage.stores.key_usage import LimitedUsage
from storage.tables import activity, arms, budgets, judging, key_usage, statistic_changes

_Moved: TypeAlias = Callable[[Table], ColumnElement[bool]]

_ROWS: ColumnElement[int] = bindparam("rows", type_=BigInteger)


class Paged:
    """A query that is read in pages of so many `rows`, in the order of the primary key, with which its rows begin."""

    def __init__(self, query: Select[Any], table: Table) -> None:
        self._keys: Sequence[Column[Any]] = list(table.primary_key)
        self.first = query.order_by(*self._keys).limit(_ROWS)

    def after(self, row: Sequence[Any]) -> Select[Any]:
        """The page that follows this row."""
        return self.first.where(tuple_(*self._keys) > tuple_(*row[: len(self._keys)]))


@dataclass(frozen=True, slots=True)
class StatisticQueries:
    """Queries of statistics and budgets, and of what was spent from the day `first_day` to `last_day`."""

    sums: Paged
    budgets: Paged
    spent: Select[Any]
    judged: Select[Any]


class ChangeQueries:
    """The queries for one kind of database.

    What has changed has a number from `first` on. The statistics are those of all routers; or what has changed of those
    of `many` routers, or of a `few`, which are `listed` as JSON. Usage has the parameters of `LimitedUsage`, too.
    """

    def __init__(self, dialect: Dialect) -> None:
        first: ColumnElement[int] = bindparam("first", type_=BigInteger)
        latest = last_number(dialect)

        def since(table: Table) -> ColumnElement[bool]:
            return table.c.revision.between(first, latest)

        self.changed_routers = select(statistic_changes.c.router_id).where(since(statistic_changes))
        self.all = _statistics(lambda _: true())
        self.many = _statistics(since)
        self.few = _statistics(lambda table: since(table) & among(table.c.router_id, dialect))
        newer: ColumnElement[bool] = key_usage.c.revision >= first
        if dialect.name == "sqlite":  # without this it takes the index by width, and reads the days of all keys
            newer = func.likelihood(newer, literal_column("0.0001"))
        usage = LimitedUsage(newer & (key_usage.c.revision <= latest), dialect)
        self.usage, self.changed_usage, self.usage_of_keys = (
            Paged(query, key_usage) for query in (usage.of_all, usage.moved, usage.of_keys)
        )


@cache
def queries_for(name: str) -> ChangeQueries:
    """The queries for `sqlite` or `postgresql`."""
    return ChangeQueries(dialect_of(name))


def _statistics(moved: _Moved) -> StatisticQueries:
    # Only the days around today: the table is never pruned, and the latest may come from a clock that was ahead.
    first_day: ColumnElement[int] = bindparam("first_day", type_=BigInteger)
    last_day: ColumnElement[int] = bindparam("last_day", type_=BigInteger)
    own = activity.c
    near = (own.width == DAY) & own.start.between(first_day * DAY, last_day * DAY)
    days = select(own.router_id, own.start).where(near & moved(activity)).distinct().subquery()
    spent = select(own.router_id, own.start, func.sum(own.cost_usd))
    spent = spent.join(days, (own.router_id == days.c.router_id) & (own.start == days.c.start))
    # By rows of the day that changed, each model's with the others of its purpose.
    mine = (judging.c.router_id, judging.c.purpose, judging.c.day)
    around = judging.c.day.between(first_day, last_day)
    purposes = select(*mine).where(around & moved(judging))
    return StatisticQueries(
        sums=Paged(select_sums(arms).where(moved(arms)), arms),
        budgets=Paged(select(budgets).where(moved(budgets)), budgets),
        spent=spent.where(own.width == DAY).group_by(own.router_id, own.start),
        judged=select(*mine, func.sum(judging.c.cost_usd)).where(around, tuple_(*mine).in_(purposes)).group_by(*mine),
    )
