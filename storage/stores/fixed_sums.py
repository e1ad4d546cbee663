"""Reads the sums of which savings are made."""

from collections.abc import Sequence

from sqlalchemy import Integer, func, literal_column, select

from storage.database.engine import Database
from storage.fixed_sums import SUMS
from storage.tables import fixed_sums

MOST_CELLS = 8_000
"""Cells of a router's days, classes and models that are read; of longer windows several days become one."""

Cells = Sequence[tuple[int, str, str, Sequence[float]]]
"""Rows of a day (in days since the epoch), class, model, and the sums in the order of `SUMS`."""


class FixedSumsStore:
    """The sums of first draws. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, router_id: str, first: int, until: int) -> tuple[Cells, int]:
        """Read a router's cells of the days from `first` up to before `until`, with how many days each is about."""
        own = fixed_sums.c
        within = (own.router_id == router_id, own.day >= first, own.day < until)
        with self._database.read() as connection:
            count = connection.execute(select(func.count()).where(*within)).scalar_one()
            days = 1 + count // MOST_CELLS
            if days == 1:
                query = select(own.day, own.task, own.model_id, *(own[name] for name in SUMS)).where(*within)
            else:
                # Not a parameter: PostgreSQL would not know that two of them are the same expression.
                start = (own.day - own.day % literal_column(str(days), Integer)).label("start")
                sums = [func.sum(own[name]) for name in SUMS]
                query = select(start, own.task, own.model_id, *sums).where(*within)
                query = query.group_by(start, own.task, own.model_id)
            return [(row[0], row[1], row[2], row[3:]) for row in connection.execute(query)], days
