"""Reads the arms' sufficient statistics."""

import logging
import math
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Select, Table, func, select

from bandit.types import Signal, StatisticKey, Sums
from storage.database.addition import SUMS, faded
from storage.database.engine import Database
from storage.tables import arms

log = logging.getLogger(__name__)

_SIGNALS = {signal.value: signal for signal in Signal}

_SOUND = (
    (arms.c.weight > 0.0)
    & (arms.c.weight < 1e15)
    & (arms.c.half_life > 0.0)
    & (func.abs(arms.c.at) < 1e12)
    & (func.abs(arms.c.total) < 1e30)
    & (func.abs(arms.c.squares) < 1e30)
)
"""Excludes NaN too, which PostgreSQL sorts above all numbers and SQLite stores as NULL."""


class Arms:
    """The statistics of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sums(self, router_id: str | None = None) -> dict[StatisticKey, Sums]:
        """Read the statistics of one router or of all. Broken rows are returned too, as NaN if need be."""
        query = select_sums(arms)
        if router_id is not None:
            query = query.where(arms.c.router_id == router_id)
        with self._database.read() as connection:
            return read_sums(connection.execute(query))

    def of_models(self, model_ids: Collection[str], signals: Collection[Signal]) -> dict[tuple[str, Signal], Sums]:
        """Sum signals of models over all routers and tasks, at the instant of the latest row. Broken rows don't count.

        The database adds them, because one model can have rows in thousands of routers.
        """
        wanted = arms.c.model_id.in_(model_ids) & arms.c.signal.in_([signal.value for signal in signals]) & _SOUND
        instants = select(arms.c.model_id, arms.c.signal, func.max(arms.c.at).label("at"))
        latest = instants.where(wanted).group_by(arms.c.model_id, arms.c.signal).subquery()
        added = [
            func.sum(faded(arms.c[name], (latest.c.at - arms.c.at) / arms.c.half_life)).label(name) for name in SUMS
        ]
        same = (arms.c.model_id == latest.c.model_id) & (arms.c.signal == latest.c.signal)
        query = select(arms.c.model_id, arms.c.signal, latest.c.at, *added).join(latest, same).where(wanted)
        query = query.group_by(arms.c.model_id, arms.c.signal, latest.c.at)
        with self._database.read() as connection:
            return {
                (row.model_id, _SIGNALS[row.signal]): Sums(row.at, math.inf, row.weight, row.total, row.squares)
                for row in connection.execute(query)
            }

    def started(self, router_ids: Collection[str]) -> set[tuple[str, str]]:
        """Return the arms of some routers that have statistics, as pairs of router id and model id."""
        query = select(arms.c.router_id, arms.c.model_id).where(arms.c.router_id.in_(router_ids)).distinct()
        with self._database.read() as connection:
            return {(row.router_id, row.model_id) for row in connection.execute(query)}


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
        found[StatisticKey(router_id, model_id, task, signal)] = Sums(*map(_number, numbers))
    return found


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
