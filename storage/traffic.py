"""Traffic: requests, answers, tokens and dollars of each model, per router and UTC day."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from bandit.types import Ending, Epoch
from storage.records import CompletionRecord
from storage.tables import traffic

COUNTS = ("drawn", "answered", "attempts", "failures", "prompt_tokens", "completion_tokens", "cost_usd")

_DRAWN, _ANSWERED, _ATTEMPTS, _FAILURES, _PROMPT, _COMPLETION, _COST = range(len(COUNTS))


def day_of(at: Epoch) -> int:
    """The UTC day of an instant, in days since the epoch."""
    return int(at // 86_400)


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


class TrafficCounts:
    """Counts of many requests. A request belongs to the day on which it ended."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int, str], list[float]] = {}

    def add(self, record: CompletionRecord) -> None:
        """Count one request and its attempts."""
        decision, outcome = record.decision, record.outcome
        router_id, day = decision.router_id, day_of(outcome.ended_at)
        self._of(router_id, day, decision.drawn_model_id)[_DRAWN] += 1
        if outcome.model_id is not None:
            self._of(router_id, day, outcome.model_id)[_ANSWERED] += 1
        for attempt in record.attempts:
            counts = self._of(router_id, day, attempt.model_id)
            counts[_ATTEMPTS] += 1
            counts[_FAILURES] += attempt.ending is not Ending.COMPLETE and attempt.ending is not Ending.CLIENT_GONE
            counts[_PROMPT] += attempt.prompt_tokens or 0
            counts[_COMPLETION] += attempt.completion_tokens or 0
            counts[_COST] += attempt.cost_usd

    def spend_usd(self) -> dict[tuple[str, int], float]:
        """Dollars by router and UTC day."""
        spend: dict[tuple[str, int], float] = {}
        for (router_id, day, _), counts in self._counts.items():
            spend[router_id, day] = spend.get((router_id, day), 0.0) + counts[_COST]
        return spend

    def _of(self, router_id: str, day: int, model_id: str) -> list[float]:
        key = (router_id, day, model_id)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0, 0, 0, 0, 0, 0, 0.0]
        return counts

    def rows(self) -> list[tuple[object, ...]]:
        """Rows of the table `traffic`, sorted: all processes lock rows in the same order."""
        return sorted((*key, *counts) for key, counts in self._counts.items())


def traffic_by_model(connection: Connection, router_id: str, since: Epoch) -> dict[str, Traffic]:
    """Read a router's traffic per model, from the UTC day of `since` on."""
    sums = [func.sum(traffic.c[name]) for name in COUNTS]
    query = select(traffic.c.model_id, *sums).group_by(traffic.c.model_id)
    query = query.where(traffic.c.router_id == router_id, traffic.c.day >= day_of(since))
    found: dict[str, Traffic] = {}
    for model_id, *counts, cost_usd in connection.execute(query):
        drawn, answered, attempts, failures, prompt_tokens, completion_tokens = map(int, counts)
        found[model_id] = Traffic(
            drawn, answered, attempts, failures, prompt_tokens, completion_tokens, float(cost_usd)
        )
    return found
