"""Reads a whole file of rows for tests, as an import does."""

from collections.abc import Callable, Collection
from io import BytesIO

from gateway.evidence.problems import EvidenceError, Problems
from gateway.evidence.reading import NumberedRows, lines_of, read_csv
from gateway.evidence.rows import RowReader, Scale
from storage.stores.evals import EvalScore

PERCENT = Scale("percent", 0.0, 100.0)


def read_all(
    data: bytes,
    scale: Scale,
    known: Collection[str],
    read: Callable[..., NumberedRows] = read_csv,
) -> tuple[EvalScore, ...]:
    """The rows of a file. Raises EvidenceError with its problems."""
    problems = Problems()
    rows = tuple(row for _, row in RowReader(scale, known, problems).read(read(lines_of(BytesIO(data)), problems)))
    problems.complain()
    if not rows:
        raise EvidenceError("there are no rows")
    return rows
