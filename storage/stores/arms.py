"""Reads the arms' sufficient statistics."""

import logging
import math
from collections.abc import Collection, Iterable
from itertools import product
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, select

from bandit.statistics import Signal, StatisticKey, Sums
from storage.database.addition import SUMS
from storage.database.engine import Database
from storage.pending_events import read_pending
from storage.tables import arms

log = logging.getLogger(__name__)

_SIGNALS = {signal.value: signal for signal in Signal}

LARGEST_SAMPLE = 20
"""Rows of a model's signal that `of_models` reads: a prior is worth ten observations, and needs no more."""


class Arms:
    """The statistics of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sums(self, router_id: str | None = None) -> dict[StatisticKey, Sums]:
        """Read the statistics of one router or of all. Broken rows are returned too, as NaN if need be."""
        with self._database.read() as connection:
            return read_statistics(connection, router_id)

    def of_models(self, model_ids: Collection[str], signals: Collection[Signal]) -> dict[StatisticKey, Sums]:
        """Read up to 20 rows of each signal of each model, over all routers and tasks."""
        found: dict[StatisticKey, Sums] = {}
        with self._database.read() as connection:
            for model_id, signal in product(sorted(model_ids), signals):
                wanted = {"of_model": model_id, "of_signal": signal.value, "count": LARGEST_SAMPLE}
                found |= read_sums(connection.execute(_SAMPLE, wanted))
        return found

    def started(self, router_ids: Collection[str]) -> set[tuple[str, str]]:
        """Return the arms of some routers that have statistics, as pairs of router id and model id."""
        query = select(arms.c.router_id, arms.c.model_id).where(arms.c.router_id.in_(router_ids)).distinct()
        with self._database.read() as connection:
            return {(row.router_id, row.model_id) for row in connection.execute(query)}


def read_statistics(connection: Connection, router_id: str | None = None) -> dict[StatisticKey, Sums]:
    """Read the statistics of one router or of all, with what is pending of them. Broken rows are returned as NaN."""
    query = select_sums(arms)
    if router_id is not None:
        query = query.where(arms.c.router_id == router_id)
    found = read_sums(connection.execute(query))
    for key, sums in read_pending(connection).sums(router_id).items():
        found[key] = found[key] + sums if key in found else sums
    return found


def select_sums(table: Table) -> Select[Any]:
    """Select all sums of a table, for `read_sums`."""
    return select(*(table.c[name] for name in (*StatisticKey._fields, "at", "half_life", *SUMS)))


def read_sums(rows: Iterable[Any]) -> dict[StatisticKey, Sums]:
    """Read rows of `select_sums`; those of a signal that this version does not know are left out, with a warning."""
    found: dict[StatisticKey, Sums] = {}
    for router_id, model_id, task, name, *numbers in rows:
        signal = _SIGNALS.get(name)
        if signal is None:
            log.warning("statistics of an unknown signal %r in router %s are ignored", name, router_id)
            continue
        try:
            sums = Sums(*[number + 0.0 for number in numbers])
        except TypeError:  # of a broken row
            sums = Sums(*map(_number, numbers))
        found[StatisticKey(router_id, model_id, task, signal)] = sums
    return found


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


_SAMPLE = (
    select_sums(arms)
    .where(arms.c.model_id == bindparam("of_model"), arms.c.signal == bindparam("of_signal"))
    .order_by(arms.c.router_id, arms.c.task)
    .limit(bindparam("count"))
)
"""Goes through the index on model, signal and router."""
