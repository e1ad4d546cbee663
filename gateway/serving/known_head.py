"""Knows the heads of requests by their bytes, so that they need not be parsed."""

import re

from gateway.asgi import Head

LARGEST_BODY = 64 * 1024
"""Bodies up to this size are answered without ASGI."""

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+) *\r\n", re.IGNORECASE)
_LONGEST_LENGTH = len(str(LARGEST_BODY))

MOST_HEADS = 1_024
LARGEST_HEAD = 4 * 1024
"""Heads up to this size are kept, in bytes: a few megabytes in all."""


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


class KnownHeads:
    """The heads of a process's latest requests, those of all connections: a client may ask several routers in turn.

    What is found depends on the bytes alone, and they include the API key.
    """

    __slots__ = ("_heads", "_most")

    def __init__(self, most: int = MOST_HEADS) -> None:
        self._most = most
        self._heads: dict[tuple[bytes, bytes], KnownHead] = {}

    def find(self, data: bytes) -> KnownHead | None:
        """The known head with which these bytes begin."""
        split = _split(data)
        return None if split is None else self._heads.get(split)

    def add(self, data: bytes, router_id: str, head: Head) -> KnownHead | None:
        """Keep the head of a request that these bytes are, up to some part of its body.

        None if they may be more or less, or if it is too large; among many, the oldest is forgotten.
        """
        split = _split(data)
        if split is None:
            return None
        known = KnownHead(router_id, head, *split)
        if known.body_of(data) is None:
            return None
        if len(self._heads) >= self._most:
            del self._heads[next(iter(self._heads))]
        self._heads[split] = known
        return known


def _split(data: bytes) -> tuple[bytes, bytes] | None:
    """A head around the digits of its length; None if it is not whole, or too large to be kept."""
    size = data.find(_END_OF_HEAD, 0, LARGEST_HEAD) + len(_END_OF_HEAD)
    length = _LENGTH.search(data, 0, size) if size >= len(_END_OF_HEAD) else None
    return None if length is None else (data[: length.start(1)], data[length.end(1) : size])
