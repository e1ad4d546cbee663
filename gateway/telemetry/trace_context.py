"""Ids of one request's trace, and the headers that pass them on to providers (W3C Trace Context)."""

from collections.abc import Callable


class RequestTrace:
    """One request's place in a trace: its parent's ids if the caller sent any, its own, and one per attempt.

    The spans are made after the request has ended; what providers are sent has to be known before.
    """

    __slots__ = ("_next_id", "attempt_ids", "parent_id", "sampled", "span_id", "trace_id", "trace_state")

    def __init__(
        self,
        trace_id: int,
        parent_id: int | None,
        *,
        sampled: bool,
        trace_state: str,
        next_id: Callable[[], int],
    ) -> None:
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.sampled = sampled
        self.trace_state = trace_state  # as its members were read, not as it was sent
        self.span_id = next_id()
        self.attempt_ids: list[int] = []
        self._next_id = next_id

    @property
    def hex_trace_id(self) -> str:
        """The trace's id as logs and headers spell it."""
        return f"{self.trace_id:032x}"

    def begin_attempt(self) -> bytes:
        """Give the attempt that begins an id; the header lines that pass it on."""
        span_id = self._next_id()
        self.attempt_ids.append(span_id)
        lines = f"traceparent: 00-{self.trace_id:032x}-{span_id:016x}-{self.sampled:02x}\r\n"
        if self.trace_state:
            lines += f"tracestate: {self.trace_state}\r\n"
        return lines.encode("ascii", "ignore")
