"""Ids that sort by age: 48 bits of milliseconds, then 80 random bits, in hex."""

import os
import re

_RANDOM_BYTES = 10
_POOLED_IDS = 1_024
_COMPLETION_ID = re.compile(r"(?:chatcmpl-|resp_)?(req_[0-9a-f]{32})")


def new_id(prefix: str, now: float) -> str:
    """A fresh id such as `req_0193…`; `now` in seconds since the epoch."""
    return f"{prefix}_{int(now * 1000):012x}{os.urandom(_RANDOM_BYTES).hex()}"


class RequestIds:
    """Generates request ids. Not thread-safe: the event loop alone uses it.

    Random bits are drawn for many ids at once: a system call per id releases the GIL, and waits to get it back.
    """

    def __init__(self) -> None:
        self._pool: list[str] = []

    def new(self, now: float) -> str:
        """A fresh request id; it is also the completion's id."""
        pool = self._pool or self._fill()
        return f"req_{int(now * 1000):012x}{pool.pop()}"

    def _fill(self) -> list[str]:
        width = 2 * _RANDOM_BYTES
        many = os.urandom(_RANDOM_BYTES * _POOLED_IDS).hex()
        self._pool = [many[start : start + width] for start in range(0, len(many), width)]
        return self._pool


def parse_completion_id(text: str) -> str | None:
    """The `req_…` in `chatcmpl-req_…`, `resp_req_…` or `req_…`; None for anything else."""
    match = _COMPLETION_ID.fullmatch(text)
    return match[1] if match else None


def creation_time(completion_id: str) -> float:
    """When an id was generated, in seconds since the epoch."""
    return int(completion_id.partition("_")[2][:12], 16) / 1000
