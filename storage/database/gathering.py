"""A cursor that gathers PostgreSQL's inserts and runs them as one statement.

A statement takes the driver about 60 µs, and the server about as much, whatever it does: a small transaction consists
of that. The inserts become parts of one statement (`WITH … AS (INSERT …)`), which runs them in their order, so that
transactions that lock the same rows can't deadlock: PostgreSQL runs such a part when it is read, and `CASE` reads in
order. Its parameters are numbered, for the driver's raw cursor: any other would look for each `%s` of such a long text
again every time.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import count
from typing import Any

from storage.database.bulk import Cursor


class GatheringCursor:
    """Wraps a cursor. Inserts, and what is `gathered`, wait for `flush`, or for the next statement of another kind.

    `raw` is a raw cursor of the same connection. If `alone`, there must be no other kind: what is gathered is a
    transaction by itself.
    """

    def __init__(self, cursor: Any, raw: Cursor, gathered: Collection[str] = (), *, alone: bool = False) -> None:
        self._cursor = cursor
        self._alone = alone
        self._raw = raw
        self._gathered = gathered
        self._waiting: list[tuple[str, Sequence[object]]] = []

    def execute(self, operation: str, parameters: Sequence[object] = (), /) -> object:
        """Gather a statement, or run it after those that wait. Raises the driver's errors."""
        if operation.startswith("INSERT ") or operation in self._gathered:
            self._waiting.append((operation, parameters))
            return None
        if self._alone:
            raise RuntimeError(f"this would be a transaction of its own: {operation}")
        self.flush()
        return self._cursor.execute(operation, parameters)

    def copy(self, operation: str) -> AbstractContextManager[Any]:
        """Begin a COPY, after what waits. Raises the driver's errors."""
        self.flush()
        copying: AbstractContextManager[Any] = self._cursor.copy(operation)
        return copying

    def fetchall(self) -> Sequence[Any]:
        """Fetch all rows of the last statement that was not gathered. Raises the driver's errors."""
        rows: Sequence[Any] = self._cursor.fetchall()
        return rows

    def flush(self) -> None:
        """Run what waits. Raises the driver's errors."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            operation = _joined(tuple(operation for operation, _ in waiting))
            self._raw.execute(operation, [value for _, parameters in waiting for value in parameters])


@lru_cache(maxsize=256)
def _joined(operations: tuple[str, ...]) -> str:
    parts, order, numbers = [], "1", count(1)
    for number, operation in enumerate(operations):
        first, *others = operation.split("%s")
        numbered = first + "".join(f"${next(numbers)}{other}" for other in others)
        returning = " RETURNING 1" if operation.startswith("INSERT ") else ""
        # Materialised: else a value that nothing uses is not computed.
        parts.append(f"part{number} AS MATERIALIZED ({numbered}{returning})")
    for number in reversed(range(len(operations))):
        order = f"CASE WHEN (SELECT count(*) FROM part{number}) >= 0 THEN {order} END"  # noqa: S608 - our own names
    return f"WITH {', '.join(parts)} SELECT {order}"
