"""What is missing in tables of cells that are sums of the ledger."""

import math
from collections.abc import Iterable, Sequence
from operator import sub

from sqlalchemy import Connection, Table, delete

from storage.activity import Cell as ActivityCell
from storage.fixed_sums import Cell as FixedCell


def missing_rows(
    connection: Connection,
    table: Table,
    differences: Iterable[tuple[ActivityCell | FixedCell, Sequence[float], Sequence[float]]],
) -> list[tuple[object, ...]]:
    """Return the rows that have to be added to the table: of each cell, what is kept and what the ledger adds up to.

    A kept row to which nothing can be added, because a sum of it is not finite, is deleted.
    """
    rows: list[tuple[object, ...]] = []
    for cell, kept, folded in differences:
        missing = folded
        if all(map(math.isfinite, kept)):
            missing = list(map(sub, folded, kept))
        else:
            own = (table.c[name] == value for name, value in cell._asdict().items())
            connection.execute(delete(table).where(*own))
        rows.append((*cell, *missing))
    return rows
