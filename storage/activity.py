"""Activity: what happened per router, minute, hour or day, and model. The cells are sums of the ledger's rows.

A request belongs to the cells of the instant at which it ended. Its draw counts for the model that was drawn, its end
and its scores for the model that answered (or, without an answer, was drawn), each call for the model that was called;
so every column adds up to the router's total. Only hours are divided by task.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from bandit.types import Attempt, Ending, Epoch, Scores
from storage.calendar import DAY, HOUR, MINUTE, day_of
from storage.records import DecisionRecord, OutcomeRecord, Status
from storage.rows import clean
from storage.tables import ACTIVITY_COUNTS, ACTIVITY_SUMS, WAITS, activity, routers

KEPT_SECONDS = {MINUTE: 2 * DAY + HOUR, HOUR: 100 * DAY}
"""How long minutes and hours are kept (a day is compared with the one before); days are kept for ever."""

COUNTS = (*ACTIVITY_COUNTS, *WAITS, *ACTIVITY_SUMS)

WAIT_EDGES = tuple(0.05 * 2.0 ** (k / 2) for k in range(1, len(WAITS)))
"""Seconds at which the next count of the histogram of waits begins: w0 is below the first, the last has no end."""

_COUNT_NUMBER = len(ACTIVITY_COUNTS) + len(WAITS)
_NOTHING = (0,) * _COUNT_NUMBER + (0.0,) * len(ACTIVITY_SUMS)
(
    _REQUESTS,
    _REDRAWN,
    _EXPLORED,
    _ANSWERED,
    _PARTIAL,
    _FAILED_PROVIDER,
    _FAILED_OWN,
    _REJECTED,
    _CLIENT_GONE,
    _ATTEMPTS,
    _FAILURES,
    _PROMPT,
    _CACHED,
    _COMPLETION,
    _FIRST_TOKENS,
    _SCORED,
) = range(len(ACTIVITY_COUNTS))
_W0 = len(ACTIVITY_COUNTS)
_COST, _SECONDS, _OVERHEAD, _FIRST_TOKEN, _SCORE, _SQUARES = range(_COUNT_NUMBER, len(COUNTS))

_NOT_FAILED = frozenset((Ending.COMPLETE, Ending.CLIENT_GONE))
_ENDS = {Status.REJECTED: _REJECTED, Status.CLIENT_GONE: _CLIENT_GONE, Status.PARTIAL: _CLIENT_GONE}
_OWN_STATUS = 500  # of a response that failed by the gateway's own fault


class Cell(NamedTuple):
    """The key of a row of `activity`. `start` is a multiple of `width`, both in seconds."""

    router_id: str
    width: int
    start: int
    model_id: str
    task: str


class ActivityCounts:
    """Counts of many requests and scores."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int, str, str], list[float]] = {}  # by router, minute, model and task

    def add_request(self, decision: DecisionRecord, outcome: OutcomeRecord, attempts: Sequence[Attempt]) -> None:
        """Count one request and its attempts, of its records or of its rows."""
        router_id, minute, task = decision.router_id, int(outcome.ended_at // MINUTE), clean(decision.task)
        drawn_id, model_id = decision.drawn_model_id, outcome.model_id
        drawn = counts = self._of(router_id, minute, drawn_id, task)
        drawn[_REQUESTS] += 1
        drawn[_EXPLORED] += decision.explored
        ended_id = drawn_id
        if model_id is None:
            if outcome.status == Status.FAILED:
                drawn[_FAILED_OWN if outcome.http_status == _OWN_STATUS else _FAILED_PROVIDER] += 1
            else:
                drawn[_ENDS.get(outcome.status, _FAILED_OWN)] += 1
        else:
            if model_id != drawn_id:
                ended_id, counts = model_id, self._of(router_id, minute, model_id, task)
            counts[_ANSWERED] += 1
            counts[_PARTIAL] += outcome.status == Status.PARTIAL
            counts[_SECONDS] += outcome.seconds
            counts[_W0 + bisect_right(WAIT_EDGES, outcome.seconds)] += 1
        counts[_OVERHEAD] += outcome.overhead_seconds
        for attempt in attempts:
            own = attempt.model_id
            if own == ended_id:
                called = counts
            elif own == drawn_id:
                called = drawn
            else:
                called = self._of(router_id, minute, own, task)
            called[_ATTEMPTS] += 1
            called[_FAILURES] += attempt.ending not in _NOT_FAILED
            called[_PROMPT] += attempt.prompt_tokens or 0
            called[_CACHED] += attempt.cached_tokens
            called[_COMPLETION] += attempt.completion_tokens or 0
            called[_COST] += attempt.cost_usd
            if attempt.first_token_seconds is not None:
                called[_FIRST_TOKENS] += 1
                called[_FIRST_TOKEN] += attempt.first_token_seconds
        drawn[_REDRAWN] += len(attempts) > 1

    def add_scores(self, before: Scores, after: Scores) -> None:
        """Count that the scores of a completion have become other ones: the new mean minus the old one."""
        counts = self._of(after.router_id, int(after.at // MINUTE), after.model_id, after.task)
        for scores, sign in ((before, -1), (after, 1)):
            mean = scores.mean()
            if mean is not None:
                counts[_SCORED] += sign
                counts[_SCORE] += sign * mean
                counts[_SQUARES] += sign * mean * mean

    def routers(self) -> set[str]:
        """The routers that have counts."""
        return {key[0] for key in self._counts}

    def numbers(self) -> Iterable[Sequence[float]]:
        """The counts of each minute, model and task."""
        return self._counts.values()

    def cells(self) -> dict[Cell, list[float]]:
        """The counts of each minute, hour and day."""
        hours: dict[Cell, list[float]] = {}
        minutes: dict[Cell, list[float]] = {}
        days: dict[Cell, list[float]] = {}
        for (router_id, minute, model_id, task), counts in self._counts.items():
            at = minute * MINUTE
            _add(hours, Cell(router_id, HOUR, at - at % HOUR, model_id, task), counts)
            _add(minutes, Cell(router_id, MINUTE, at, model_id, ""), counts)
        for cell, counts in minutes.items():
            _add(days, Cell(cell.router_id, DAY, cell.start - cell.start % DAY, cell.model_id, ""), counts)
        return minutes | hours | days

    def rows(self) -> list[tuple[object, ...]]:
        """Rows of the table `activity`, sorted: all processes lock rows in the same order."""
        return sorted((*cell, *counts) for cell, counts in self.cells().items())

    def _of(self, router_id: str, minute: int, model_id: str, task: str) -> list[float]:
        key = (router_id, minute, model_id, task)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = list(_NOTHING)
        return counts


def _add(cells: dict[Cell, list[float]], cell: Cell, counts: list[float]) -> None:
    held = cells.get(cell)
    cells[cell] = counts if held is None else list(map(add, held, counts))


@dataclass(frozen=True, slots=True)
class Traffic:
    """Counts of one model: first draws, answers, calls, failed calls, billed tokens and dollars."""

    drawn: int
    answered: int
    attempts: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


def traffic_by_model(connection: Connection, router_id: str, since: Epoch) -> dict[str, Traffic]:
    """Read a router's traffic per model, from the UTC day of `since` on."""
    names = ("requests", "answered", "attempts", "failures", "prompt_tokens", "completion_tokens", "cost_usd")
    query = select(activity.c.model_id, *(func.sum(activity.c[name]) for name in names))
    query = query.where(*_days_since(since), activity.c.router_id == router_id)
    rows = connection.execute(query.group_by(activity.c.model_id))
    return {row[0]: _read_traffic(row[1:]) for row in rows}


def spent_by_router(connection: Connection, since: Epoch) -> dict[str, tuple[int, float]]:
    """Read the requests and dollars per router that there is, from the UTC day of `since` on."""
    own = activity.c
    # In their order SQLite reads the days of each router at once, and not by `start` with a search for each row.
    of_routers = own.router_id.in_(select(routers.c.id))
    query = select(own.router_id, func.sum(own.requests), func.sum(own.cost_usd)).where(of_routers, *_days_since(since))
    rows = connection.execute(query.group_by(own.router_id))
    return {router_id: (int(requests), float(cost_usd)) for router_id, requests, cost_usd in rows}


def _days_since(since: Epoch) -> tuple[ColumnElement[bool], ...]:
    return activity.c.width == DAY, activity.c.start >= day_of(since) * DAY


def _read_traffic(row: Sequence[Any]) -> Traffic:
    *counts, cost_usd = row
    drawn, answered, attempts, failures, prompt_tokens, completion_tokens = map(int, counts)
    return Traffic(drawn, answered, attempts, failures, prompt_tokens, completion_tokens, float(cost_usd))
