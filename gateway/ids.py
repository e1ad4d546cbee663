"""Ids that hold their time: 48 bits of milliseconds, then 80 random bits, in hex, so they sort by age."""

import os
import re

_REQUEST_ID = re.compile(r"(?:chatcmpl-)?(req_[0-9a-f]{32})")


def new_id(prefix: str, now: float) -> str:
    """A fresh id such as `req_0193…`; `now` in seconds since the epoch."""
    return f"{prefix}_{int(now * 1000):012x}{os.urandom(10).hex()}"


def request_id_of(completion_id: str) -> str | None:
    """The request id in `chatcmpl-req_…` or `req_…`; None for anything else."""
    match = _REQUEST_ID.fullmatch(completion_id)
    return match[1] if match else None


def born_at(request_id: str) -> float:
    """Seconds since the epoch at which an id was made."""
    return int(request_id.partition("_")[2][:12], 16) / 1000
