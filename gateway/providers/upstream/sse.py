"""Incremental parser of server-sent events: takes bytes in any pieces, returns the data of complete events.

Follows the HTML standard (§9.2.6 "Interpreting an event stream") as far as `data` goes: comments and other fields are
skipped, lines end with LF, CR or CRLF, several `data` lines are joined with LF, a byte order mark is skipped.
"""

_BOM = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """One event is larger than the limit."""


class EventParser:
    """Parser of one stream. The same bytes give the same events however they are split.

    `limit` is the size of the largest event, in bytes.
    """

    __slots__ = ("_after_cr", "_data", "_limit", "_line", "_line_bytes", "_size", "_start")

    def __init__(self, limit: int = 16 * 1024 * 1024) -> None:
        self._limit = limit
        self._start = b""  # the first bytes, until it is known whether they are a byte order mark
        self._line: list[bytes] | None = None  # an unfinished line's parts; None: at the very start
        self._line_bytes = 0
        self._data: list[bytes] = []  # the running event's data lines
        self._size = 0
        self._after_cr = False

    @property
    def is_between_events(self) -> bool:
        """Whether the bytes so far have ended with a whole event."""
        return self._line is not None and not (self._line or self._data or self._after_cr)

    def feed(self, data: bytes) -> list[bytes]:
        """Parse more bytes and return the data of the events that they complete. Raises EventTooLarge."""
        if self._line is None:
            data = self._skip_mark(data)
            if self._line is None:
                return []
        if b"\r" in data or self._after_cr:
            data = self._only_lf(data)
        if not self._line and not self._data and data.startswith(b"data: ") and data.endswith(b"\n\n"):
            # Fast path for nearly all input: complete events of one line each, so line ends come in pairs.
            events = data[6:-2].split(b"\n\ndata: ")
            if data.count(b"\n") == 2 * len(events):
                return events
        return self._by_line(data)

    def finish(self) -> list[bytes]:
        """Return the last event if the stream ended without the blank line after it.

        The standard drops such an event, but some providers send it. The caller must check that it is complete.
        """
        events = self._by_line(b"\n\n") if self._line is not None else []
        self._line, self._start = None, b""
        return events

    def _skip_mark(self, data: bytes) -> bytes:
        data = self._start + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._start = data
            return b""
        self._start = b""
        self._line = []
        return data.removeprefix(_BOM)

    def _only_lf(self, data: bytes) -> bytes:
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _by_line(self, data: bytes) -> list[bytes]:
        events: list[bytes] = []
        lines = data.split(b"\n")
        pending = self._line if self._line is not None else []
        rest = lines.pop()
        for line in lines:
            if pending:
                pending.append(line)
                line = b"".join(pending)  # noqa: PLW2901 - the line's earlier parts came before
                pending.clear()
                self._line_bytes = 0
            if line:
                self._take(line)
            elif self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
                self._size = 0
        if rest:
            pending.append(rest)
            self._line_bytes += len(rest)
        if self._line_bytes + self._size > self._limit:
            raise EventTooLarge(f"one event of the stream is larger than {self._limit:,} bytes")
        return events

    def _take(self, line: bytes) -> None:
        """Add a line to the current event if it is a `data` field; comments and other fields are skipped."""
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
