"""What a gateway's processes and their analyst say to one another: one JSON object each way per connection."""

from enum import StrEnum

import msgspec

from bandit.types import AppliedRule

LONGEST_LINE = 1 << 20


class Kind(StrEnum):
    """What is asked for."""

    EVALUATION = "evaluation"
    FRONTIER = "frontier"


class Start(msgspec.Struct, frozen=True):
    """The first line that the analyst reads: the database, whose URL may hold a password, and where to listen."""

    folder: str
    database_url: str
    sqlite_synchronous: str
    schema: str | None


class Call(msgspec.Struct, frozen=True, tag=True):
    """A question as its URL asks it, whose router the analyst reads. `wait_seconds` as in `Ask`."""

    kind: Kind
    router_id: str
    query: str
    now: float
    wait_seconds: float


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
