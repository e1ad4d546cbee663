"""Reads the sums of which savings are made."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Integer, bindparam, func, literal_column, select

from storage.database.engine import Database
from storage.database.postgresql import BINARY
from storage.fixed_sums import SUMS
from storage.tables import fixed_sums

MOST_CELLS = 8_000
"""Cells of a router's days, classes and models that are read; of longer windows several days become one."""

Cell = tuple[int, str, str, Sequence[float]]
Cells = Sequence[Cell]
"""Rows of a day (in days since the epoch), class, model, and the sums in the order of `SUMS`."""


_DAYS = (fixed_sums.c.day >= bindparam("first"), fixed_sums.c.day < bindparam("until"))
_WITHIN = (fixed_sums.c.router_id == bindparam("router_id"), *_DAYS)
_OF_THESE = (fixed_sums.c.router_id.in_(bindparam("router_ids", expanding=True)), *_DAYS)
# Made once: to make a query of 39 columns takes a third as long as to read a month's cells.
_COUNT = select(func.count()).where(*_WITHIN)
_CELLS = select(*(fixed_sums.c[name] for name in ("day", "task", "model_id", *SUMS))).where(*_WITHIN)
_COUNT_OF_THESE = select(func.count()).where(*_OF_THESE)
_CELLS_OF_THESE = select(*(fixed_sums.c[name] for name in ("router_id", "day", "task", "model_id", *SUMS)))
_CELLS_OF_THESE = _CELLS_OF_THESE.where(*_OF_THESE).execution_options(**{BINARY: True})


class FixedSumsStore:
    """The sums of first draws. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, router_id: str, first: int, until: int) -> tuple[Cells, int]:
        """Read a router's cells of the days from `first` up to before `until`, with how many days each is about."""
        asked = {"router_id": router_id, "first": first, "until": until}
        with self._database.read() as connection:
            days = 1 + connection.execute(_COUNT, asked).scalar_one() // MOST_CELLS
            query = _CELLS
            if days > 1:
                # Not a parameter: PostgreSQL would not know that two of them are the same expression.
                own = fixed_sums.c
                start = (own.day - own.day % literal_column(str(days), Integer)).label("start")
                sums = [func.sum(own[name]) for name in SUMS]
                query = select(start, own.task, own.model_id, *sums).where(*_WITHIN)
                query = query.group_by(start, own.task, own.model_id)
            query = query.execution_options(**{BINARY: True})
            return [(row[0], row[1], row[2], row[3:]) for row in connection.execute(query, asked).all()], days

    def read_each(self, router_ids: Sequence[str], first: int, until: int) -> Mapping[str, Cells]:
        """Read the cells of each of some routers: in one query, unless they are as many as one router's may be."""
        asked = {"router_ids": list(router_ids), "first": first, "until": until}
        found: dict[str, list[Cell]] = {router_id: [] for router_id in router_ids}
        if not found:
            return {}
        with self._database.read() as connection:
            if connection.execute(_COUNT_OF_THESE, asked).scalar_one() <= MOST_CELLS:
                for row in connection.execute(_CELLS_OF_THESE, asked).all():
                    found[row[0]].append((row[1], row[2], row[3], row[4:]))
                return found
        return {router_id: self.read(router_id, first, until)[0] for router_id in router_ids}
