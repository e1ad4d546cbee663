"""What a gateway's processes and their analyst say to one another: one JSON object each way per connection."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import msgspec

from bandit.types import AppliedRule
from gateway.errors import OurOwnFault, Unavailable

LONGEST_LINE = 1 << 20


class Kind(StrEnum):
    """What is asked for."""

    EVALUATION = "evaluation"
    FRONTIER = "frontier"
    PAGE = "page"


class Start(msgspec.Struct, frozen=True):
    """The first line that the analyst reads: the database, whose URL may hold a password, and where to listen."""

    folder: str
    database_url: str
    sqlite_synchronous: str
    schema: str | None
    pages: str | None = None


class Shown(msgspec.Struct, frozen=True):
    """For whom a page is drawn: the path that the dashboard is below, and whether its key may change things."""

    root: str
    may_change: bool


class Call(msgspec.Struct, frozen=True, tag=True):
    """A question as its URL asks it, whose router the analyst reads. `wait_seconds` as in `Ask`."""

    kind: Kind
    router_id: str
    query: str
    now: float
    wait_seconds: float
    shown: Shown | None = None


class Ask(msgspec.Struct, frozen=True, tag=True):
    """A question that makes sense. `wait_seconds` is how long to wait before its progress is told instead."""

    kind: Kind
    router_id: str
    days: float
    now: float
    policy: str
    objective: tuple[float, float, float] | None
    models: tuple[str, ...] | None
    exploration: float | None
    points: int
    wait_seconds: float
    without: AppliedRule | None = None


class State(StrEnum):
    """How far an answer is."""

    DONE = "done"
    WORKING = "working"
    FAILED = "failed"
    REFUSED = "refused"  # a call that makes no sense, or whose router can't be read


class Told(msgspec.Struct, frozen=True):
    """The answer, as far as it is known: `content` is JSON. `error` says why there will be none."""

    state: State
    progress: float = 1.0
    content: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """The part of the work that is done, and what is known of the answer: JSON."""

    done: float
    content: bytes


Answer: TypeAlias = bytes | Progress
"""An answer as JSON, or how far it is."""


def answer_of(told: Told) -> Answer:
    """The answer as it was told. Raises Unavailable, OurOwnFault."""
    if told.state is State.FAILED:
        code, _, why = told.error.partition(": ")
        raise OurOwnFault() if code == "internal_error" else Unavailable(why, code=code, retry_after_seconds=2)
    content = bytes(told.content)
    return content if told.state is State.DONE else Progress(told.progress, content)
