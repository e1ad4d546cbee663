"""Knows the head of a client's next request by its bytes, so that it need not be parsed."""

import re

from gateway.asgi import Head

LARGEST_BODY = 64 * 1024
"""Bodies up to this size are answered without ASGI."""

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+) *\r\n", re.IGNORECASE)
_LONGEST_LENGTH = len(str(LARGEST_BODY))


class KnownHead:
    """The line and headers of a request that was parsed and answered directly, around the digits of its length.

    A client's requests on one connection have the same, as a rule: what equals it byte by byte needs no parser. The
    body may come later: Python's clients send it apart.
    """

    __slots__ = ("_after", "_before", "head", "router_id")

    def __init__(self, router_id: str, head: Head, before: bytes, after: bytes) -> None:
        self.router_id = router_id
        self.head = head
        self._before, self._after = before, after

    @classmethod
    def of(cls, data: bytes, router_id: str, head: Head) -> "KnownHead | None":
        """The head of a request that these bytes are, up to some part of its body; None if they may be more or less."""
        end = data.find(_END_OF_HEAD)
        size = end + len(_END_OF_HEAD)
        length = _LENGTH.search(data, 0, size)
        if end < 0 or length is None or len(data) > size + int(length[1]):
            return None
        return cls(router_id, head, data[: length.start(1)], data[length.end(1) : size])

    def body_of(self, data: bytes) -> tuple[bytes, int] | None:
        """What is here of the body, and how much is not, if the bytes are of one request with this head; else None."""
        start, after, body = data.partition(self._after)
        digits = start.removeprefix(self._before)
        if (
            after
            and len(start) > len(digits)  # it began as this head does
            and digits.isdigit()
            and len(digits) <= _LONGEST_LENGTH
        ):
            length = int(digits)
            if len(body) <= length <= LARGEST_BODY:
                return body, length - len(body)
        return None
