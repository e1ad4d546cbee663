"""Compares the sums of which savings are made with the ledger, and corrects them, while gateways serve."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from storage.cells import add_cells
from storage.database.addition import add_counts
from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from storage.fixed_sums import SUMS, Cell, cells_of, fold_query
from storage.maintenance.claim import claim_correction, read_corrections, waiting_for_others
from storage.maintenance.missing import missing_rows
from storage.maintenance.retired import keeping_months, read_retired
from storage.pending_events import fold_pending, read_pending
from storage.tables import decisions, fixed_sums, fixed_sums_checkpoints

TOLERANCE = 1e-9
"""Relative tolerance of two sums that count as equal, and absolute in units of the row's largest sum."""

MOST_COMPARISONS = 10

_NOTHING = (0.0,) * len(SUMS)


@dataclass(frozen=True, slots=True)
class FixedDifference:
    """A cell that differs from the ledger. A cell that is not there has zeros."""

    cell: Cell
    kept: Sequence[float]
    folded: Sequence[float]

    def columns(self) -> dict[str, tuple[float, float]]:
        """The columns that differ, each with what is kept and what the ledger adds up to."""
        near = _nearness(self.kept, self.folded)
        both = zip(SUMS, self.kept, self.folded, strict=True)
        return {name: (kept, folded) for name, kept, folded in both if not _is_close(kept, folded, near)}


class FixedSumsRebuild:
    """Makes `fixed_sums` equal to what the ledger and the checkpoint add up to. Methods raise DatabaseUnavailable.

    What is pending counts as part of the sums.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._add = add_counts(fixed_sums, database.engine.dialect, SUMS)

    def check(self, router_id: str | None = None) -> list[FixedDifference]:
        """Return the differences between sums and ledger at one instant, of one router or of all."""
        return self._compare(router_id)[0]

    def run(self, router_id: str | None = None) -> list[FixedDifference]:
        """Correct every difference by adding it, and return those that there were.

        One correction is made at a time: what another one has corrected during the comparison is compared anew.
        """
        with waiting_for_others(self._database):
            for _ in range(MOST_COMPARISONS):
                differences, corrections = self._compare(router_id)
                if not differences or self._correct(differences, corrections):
                    return differences
        raise DatabaseUnavailable(
            f"the sums of single models of {self._database.where} were still corrected by others after "
            f"{MOST_COMPARISONS} comparisons: run the rebuild again"
        )

    def _compare(self, router_id: str | None) -> tuple[list[FixedDifference], int]:
        with keeping_months(self._database), self._database.snapshot() as connection:
            corrections = read_corrections(connection)
            kept = select(fixed_sums)
            if router_id is not None:
                kept = kept.where(fixed_sums.c.router_id == router_id)
            cells, folded = cells_of(connection, kept), fold_cells(connection, router_id)
            pending = read_pending(connection).roll_ups.fixed.cells().items()
            add_cells(cells, {cell: sums for cell, sums in pending if router_id in {None, cell.router_id}})
        differences = [
            FixedDifference(cell, *pair)
            for cell in sorted(cells.keys() | folded.keys())
            if not _are_close(*(pair := (cells.get(cell, _NOTHING), folded.get(cell, _NOTHING))))
        ]
        return differences, corrections

    def _correct(self, differences: Sequence[FixedDifference], corrections: int) -> bool:
        """Correct the differences. Returns False if others have corrected something since the comparison."""
        with self._database.write() as connection:
            if not claim_correction(connection, corrections, time.time()):
                return False
            fold_pending(connection)
            found = ((each.cell, each.kept, each.folded) for each in differences)
            rows = missing_rows(connection, fixed_sums, found)
            self._add.write(connection.connection.cursor(), rows)
        return True


def fold_cells(connection: Connection, router_id: str | None = None) -> dict[Cell, Sequence[float]]:
    """Add up the requests of the checkpoint, of the ledger and of retired months."""
    kept = select(fixed_sums_checkpoints)
    queries = [(decisions, fold_query())]
    for month in read_retired(connection):
        query = fold_query(month.decisions, month.attempts, month.scores)
        queries.append((month.decisions, query.where(month.decisions.c.completion_id > month.folded_to)))
    if router_id is not None:
        kept = kept.where(fixed_sums_checkpoints.c.router_id == router_id)
        queries = [(requests, query.where(requests.c.router_id == router_id)) for requests, query in queries]
    cells = cells_of(connection, kept)
    for _, query in queries:
        add_cells(cells, cells_of(connection, query))
    return cells


def _are_close(kept: Sequence[float], folded: Sequence[float]) -> bool:
    near = _nearness(kept, folded)
    return all(_is_close(one, other, near) for one, other in zip(kept, folded, strict=True))


def _nearness(kept: Sequence[float], folded: Sequence[float]) -> float:
    # A corrected score is subtracted: digits of the larger sums stay behind in the smaller ones.
    largest = max(map(abs, (*kept, *folded)))
    return TOLERANCE * max(1.0, largest) if math.isfinite(largest) else TOLERANCE


def _is_close(one: float, other: float, near: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=near)
