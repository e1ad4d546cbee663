"""The arms' sufficient statistics and the routers' budgets, as they are read."""

import logging
import math
from collections.abc import Iterable

from sqlalchemy import Connection, Row, select

from bandit.types import BudgetState, Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.tables import arms, budgets

log = logging.getLogger(__name__)

_SIGNALS = {signal.value: signal for signal in Signal}


class Arms:
    """What has been learned. Every method raises DatabaseUnavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sums(self, router_id: str | None = None) -> dict[StatisticKey, Sums]:
        """The statistics of one router, or of all. A broken row comes as it is: what is no number is NaN."""
        query = select(arms) if router_id is None else select(arms).where(arms.c.router_id == router_id)
        with self._database.read() as connection:
            return read_sums(connection.execute(query))

    def budgets(self) -> dict[str, BudgetState]:
        """The pacing of every router that has a budget."""
        with self._database.read() as connection:
            return read_budgets(connection)


def read_sums(rows: Iterable[Row[tuple[object, ...]]]) -> dict[StatisticKey, Sums]:
    """Rows of sums by what they are about; those of a signal that this version does not know are left out."""
    found: dict[StatisticKey, Sums] = {}
    for row in rows:
        signal = _SIGNALS.get(row.signal)
        if signal is None:
            log.warning("statistics of an unknown signal %r in router %s are left alone", row.signal, row.router_id)
            continue
        key = StatisticKey(row.router_id, row.model_id, row.task, signal)
        found[key] = Sums(*map(_number, (row.at, row.half_life, row.weight, row.total, row.squares)))
    return found


def read_budgets(connection: Connection) -> dict[str, BudgetState]:
    """Every budget row, by router."""
    return {
        row.router_id: BudgetState(row.multiplier, row.mean_cost_usd) for row in connection.execute(select(budgets))
    }


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
