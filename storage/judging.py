"""Counts of what judges and models in the shadow were asked, and of what it cost, per router and UTC day."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from bandit.types import Epoch
from storage.calendar import day_of
from storage.records import JudgingRecord, Purpose
from storage.tables import judging

COUNTS = ("calls", "scored", "prompt_tokens", "completion_tokens", "cost_usd")


@dataclass(frozen=True, slots=True)
class Judging:
    """Counts of one model: calls, those that gave a score, billed tokens and dollars."""

    purpose: Purpose
    model_id: str
    calls: int
    scored: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float


class JudgingCounts:
    """Counts of many calls."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int, str, str], list[float]] = {}

    def add(self, record: JudgingRecord) -> None:
        """Count one call."""
        key = (record.router_id, day_of(record.at), record.purpose.value, record.model_id)
        added = (1, int(record.scored), record.prompt_tokens, record.completion_tokens, record.cost_usd)
        self._counts[key] = [one + other for one, other in zip(self._counts.get(key, [0] * 5), added, strict=True)]

    def spend_usd(self) -> dict[tuple[str, str, int], float]:
        """Dollars by router, purpose and UTC day."""
        spend: dict[tuple[str, str, int], float] = {}
        for (router_id, day, purpose, _), counts in self._counts.items():
            spend[router_id, purpose, day] = spend.get((router_id, purpose, day), 0.0) + counts[-1]
        return spend

    def rows(self) -> list[tuple[object, ...]]:
        """Rows of the table `judging`, sorted: all processes lock rows in the same order."""
        return sorted((*key, *counts) for key, counts in self._counts.items())


def judging_by_model(connection: Connection, router_id: str, since: Epoch) -> list[Judging]:
    """Read a router's counts per purpose and model, from the UTC day of `since` on."""
    sums = [func.sum(judging.c[name]) for name in COUNTS]
    keys = (judging.c.purpose, judging.c.model_id)
    query = select(*keys, *sums).group_by(*keys).order_by(*keys)
    query = query.where(judging.c.router_id == router_id, judging.c.day >= day_of(since))
    return [
        Judging(
            purpose=Purpose(purpose),
            model_id=model_id,
            calls=int(calls),
            scored=int(scored),
            prompt_tokens=int(prompt_tokens),
            completion_tokens=int(completion_tokens),
            cost_usd=float(cost_usd),
        )
        for purpose, model_id, calls, scored, prompt_tokens, completion_tokens, cost_usd in connection.execute(query)
    ]
