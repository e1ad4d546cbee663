"""Usage of API keys: requests, tokens and dollars, per minute and per UTC day.

A request counts for the minute and the day in which it ended. Its tokens are those that its answer reports, its dollars
those of all its attempts.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from storage.calendar import DAY, MINUTE
from storage.records import DecisionRecord, OutcomeRecord

USED = ("requests", "tokens", "cost_usd")


class Cell(NamedTuple):
    """A key's minute or day. `width` is `MINUTE` or `DAY`, `start` in seconds since the epoch."""

    key_id: str
    width: int
    start: int


class Usage(NamedTuple):
    """What was used in a cell."""

    requests: int
    tokens: int
    cost_usd: float

    def plus(self, other: "Usage") -> "Usage":
        """The sum of two."""
        return Usage(self.requests + other.requests, self.tokens + other.tokens, self.cost_usd + other.cost_usd)


UNUSED = Usage(0, 0, 0.0)


class UsageCounts:
    """Usage of many requests."""

    __slots__ = ("_minutes",)

    def __init__(self) -> None:
        self._minutes: dict[tuple[str, int], list[float]] = {}

    def add_request(self, decision: DecisionRecord, outcome: OutcomeRecord) -> None:
        """Count one request."""
        minute = (decision.key_id, int(outcome.ended_at // MINUTE))
        used = self._minutes.get(minute)
        if used is None:
            used = self._minutes[minute] = [0, 0, 0.0]
        used[0] += 1
        used[1] += (outcome.prompt_tokens or 0) + (outcome.completion_tokens or 0)
        used[2] += outcome.cost_usd

    def add(self, other: "UsageCounts") -> None:
        """Add the usage of other requests."""
        for minute, (requests, tokens, cost_usd) in other._minutes.items():
            used = self._minutes.setdefault(minute, [0, 0, 0.0])
            used[0] += requests
            used[1] += tokens
            used[2] += cost_usd

    def numbers(self) -> Iterable[Sequence[float]]:
        """The sums by minute."""
        return self._minutes.values()

    def cells(self) -> dict[Cell, Usage]:
        """The sums by minute and by day."""
        cells: dict[Cell, Usage] = {}
        for (key_id, minute), (requests, tokens, cost_usd) in self._minutes.items():
            usage = Usage(int(requests), int(tokens), cost_usd)
            cells[Cell(key_id, MINUTE, minute * MINUTE)] = usage
            day = Cell(key_id, DAY, minute * MINUTE // DAY * DAY)
            cells[day] = cells[day].plus(usage) if day in cells else usage
        return cells


def usage_rows(cells: dict[Cell, Usage]) -> list[tuple[object, ...]]:
    """Rows of the table `key_usage`, sorted: all processes lock rows in the same order."""
    return sorted((*cell, *usage) for cell, usage in cells.items())
