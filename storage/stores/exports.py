"""Queries of what can be exported of a router: its requests, their attempts, their feedback, and what it spent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, Text, cast, column, func, literal, select, table, tuple_

from storage.tables import attempts, decisions, scores

_feedback = table("v_feedback", *(column(name) for name in ("router_id", "at", "id")))
_feedback_columns: tuple[ColumnElement[Any], ...] = (
    *(column(name) for name in ("id", "completion_id", "at")),
    cast(column("day"), Text).label("day"),
    *(column(name) for name in ("router_id", "key_id", "scored_by", "task", "model_id", "source", "score", "status")),
    column("current", Boolean),
    column("comment"),
    cast(column("metadata"), Text).label("metadata"),
)
_spend = table("v_spend_by_day", *(column(name) for name in ("router_id", "day", "model_id")))
_spend_counts = ("drawn", "answered", "attempts", "failures", "prompt_tokens", "completion_tokens", "cost_usd")


@dataclass(frozen=True, slots=True)
class Export:
    """What to export. `keys` order the rows, and tell them apart; each is in them by its name."""

    query: Select[Any]
    keys: Mapping[str, ColumnElement[Any]]

    def page(self, after: Sequence[object] | None, count: int) -> Select[Any]:
        """Select up to `count` rows, after the one at a position (None: from the first on)."""
        keys = tuple(self.keys.values())
        query = self.query.order_by(*keys).limit(count)
        if after is None:
            return query
        values = [literal(value, key.type) for value, key in zip(after, keys, strict=True)]
        # The first is redundant, but lets the query start in an index.
        return query.where(keys[0] >= values[0], tuple_(*keys) > tuple_(*values))

    def position(self, row: Mapping[str, object]) -> Sequence[object]:
        """Return the position of a row."""
        return [row[name] for name in self.keys]


def requests(router_id: str) -> Export:
    """Select the columns of `decisions` without `learned`, `score` (the mean over sources) and `sources`."""
    own = scores.c.completion_id == decisions.c.completion_id
    mean = func.sum(scores.c.score * scores.c.weight) / func.sum(scores.c.weight)
    score = select(mean).where(own).scalar_subquery().label("score")
    sources = select(func.count()).select_from(scores).where(own).scalar_subquery().label("sources")
    query = select(*(column for column in decisions.c if column.name != "learned"), score, sources)
    query = query.where(decisions.c.router_id == router_id)
    return Export(query, {"at": decisions.c.at, "completion_id": decisions.c.completion_id})


def tried(router_id: str) -> Export:
    """Select the columns of `attempts` with the request's `at` and `task`; `status` is called `http_status`."""
    # Both tables have a status: in one file format, a name has one type.
    named = (each.label("http_status") if each is attempts.c.status else each for each in attempts.c)
    query: Select[Any] = select(decisions.c.at, decisions.c.task, *named)
    query = query.join_from(attempts, decisions, attempts.c.completion_id == decisions.c.completion_id)
    query = query.where(decisions.c.router_id == router_id)
    own = {"completion_id": attempts.c.completion_id, "number": attempts.c.number}
    return Export(query, {"at": decisions.c.at, **own})


def scored(router_id: str) -> Export:
    """Select the rows of the view `v_feedback`."""
    query: Select[Any] = select(*_feedback_columns).select_from(_feedback).where(_feedback.c.router_id == router_id)
    return Export(query, {"at": _feedback.c.at, "id": _feedback.c.id})


def spent(router_id: str) -> Export:
    """Select the rows of the view `v_spend_by_day`."""
    day = cast(_spend.c.day, Text)
    query: Select[Any] = select(day.label("day"), _spend.c.router_id, _spend.c.model_id, *map(column, _spend_counts))
    query = query.select_from(_spend).where(_spend.c.router_id == router_id)
    return Export(query, {"day": day, "model_id": _spend.c.model_id})


EXPORTS = {"requests": requests, "attempts": tried, "feedback": scored, "spend": spent}
"""What can be exported, by the name that the command line has for it."""
