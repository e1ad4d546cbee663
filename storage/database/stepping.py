"""A cursor that tells of its progress: after each statement, and after each block of data that a COPY has sent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_BLOCK_BYTES = 256 * 1024


class SteppingCursor:
    """Wraps psycopg's cursor; `progress` is called after each step."""

    def __init__(self, cursor: Any, progress: Callable[[], None]) -> None:
        self._cursor = cursor
        self._progress = progress

    def execute(self, operation: str, parameters: Sequence[object] = (), /) -> object:
        """Run one statement. Raises the driver's errors."""
        executed: object = self._cursor.execute(operation, parameters or None)
        self._progress()
        return executed

    def fetchall(self) -> Sequence[Any]:
        """Fetch all rows of the last statement. Raises the driver's errors."""
        rows: Sequence[Any] = self._cursor.fetchall()
        self._progress()
        return rows

    def fetchone(self) -> Any:
        """Fetch the next row. Raises the driver's errors."""
        return self._cursor.fetchone()

    @contextmanager
    def copy(self, operation: str) -> Iterator[Any]:
        """Run COPY … FROM STDIN; yields psycopg's `Copy`. Raises the driver's errors."""
        from psycopg.copy import LibpqWriter  # noqa: PLC0415 - an optional dependency, which is installed here

        with self._cursor.copy(operation, writer=_Blocks(LibpqWriter(self._cursor), self._progress)) as copy:
            yield copy
        self._progress()


class _Blocks:
    """A writer of psycopg that sends a large row in blocks."""

    def __init__(self, writer: Any, progress: Callable[[], None]) -> None:
        self._writer = writer
        self._progress = progress
        self.finish = writer.finish

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _BLOCK_BYTES):
            self._writer.write(data[start : start + _BLOCK_BYTES] if start or len(data) > _BLOCK_BYTES else data)
            self._progress()
