"""Reads requests: one by id, pages of a router's, its traffic, and all of them as a stream for export."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, or_, select

from bandit.types import Attempt, Epoch, Scores
from storage.activity import Traffic, spent_by_router, traffic_by_model
from storage.database.engine import Database
from storage.judging import Judging, judging_by_model
from storage.records import Content, DecisionView, FeedbackRecord, Shadow
from storage.rows import read_attempt, read_choice_record, read_decision, read_outcome
from storage.stores.decisions import cursor_of, read_cursor
from storage.stores.exports import EXPORTS
from storage.tables import attempts, choices, contents, decisions, feedback, scores

MOST_IN_A_PAGE = 200
_ROWS_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Page:
    """A page of decisions, the newest first. `cursor` asks for the next page; None: this is the last."""

    views: tuple[DecisionView, ...]
    cursor: str | None


class Ledger:
    """The recorded requests. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decision(self, completion_id: str) -> DecisionView | None:
        """Read one request with its attempts and feedback; None if the id is unknown."""
        with self._database.read() as connection:
            views = _views(connection, _with_choice().where(decisions.c.completion_id == completion_id))
        return views[0] if views else None

    def content(self, completion_id: str) -> Content | None:
        """Read prompt and answer of a request; None if they were not stored."""
        query = select(contents.c.request, contents.c.answer).where(contents.c.completion_id == completion_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else Content(row.request, row.answer)

    def decisions(self, router_id: str, cursor: str | None = None, limit: int = 50) -> Page:
        """Read a page of a router's decisions, the newest first. Raises InvalidCursor."""
        limit = max(1, min(limit, MOST_IN_A_PAGE))
        query = _with_choice().where(decisions.c.router_id == router_id)
        query = query.order_by(decisions.c.at.desc(), decisions.c.completion_id.desc()).limit(limit + 1)
        if cursor is not None:
            at, last_id = read_cursor(cursor)
            query = query.where(
                decisions.c.at <= at,  # redundant, but lets the query start in the index
                or_(decisions.c.at < at, and_(decisions.c.at == at, decisions.c.completion_id < last_id)),
            )
        with self._database.read() as connection:
            views = _views(connection, query)
        more = len(views) > limit
        views = views[:limit]
        last = views[-1].decision if more else None
        return Page(tuple(views), cursor_of(last.at, last.completion_id) if last else None)

    def traffic(self, router_id: str, since: Epoch) -> dict[str, Traffic]:
        """Read the traffic of each of a router's models, from the UTC day of `since` on."""
        with self._database.read() as connection:
            return traffic_by_model(connection, router_id, since)

    def spent_by_router(self, since: Epoch) -> dict[str, tuple[int, float]]:
        """Read the requests and dollars of each router, from the UTC day of `since` on."""
        with self._database.read() as connection:
            return spent_by_router(connection, since)

    def judging(self, router_id: str, since: Epoch) -> list[Judging]:
        """Read a router's counts of judges' calls per purpose and model, from the UTC day of `since` on."""
        with self._database.read() as connection:
            return judging_by_model(connection, router_id, since)

    def export(self, router_id: str, what: str = "requests") -> Iterator[dict[str, Any]]:
        """Yield one of a router's `EXPORTS` as flat rows, the oldest first, in constant memory.

        They are read in pages, each as it is then. No transaction stays open while the caller takes its time: SQLite's
        write-ahead log would grow for as long, and PostgreSQL's dead rows.
        """
        export = EXPORTS[what](router_id)
        rows = self._read_page(export.page(None, _ROWS_AT_ONCE))
        while rows:
            yield from rows
            full = len(rows) == _ROWS_AT_ONCE
            rows = self._read_page(export.page(export.position(rows[-1]), _ROWS_AT_ONCE)) if full else []

    def _read_page(self, query: Select[Any]) -> list[dict[str, Any]]:
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _with_choice() -> Select[Any]:
    return select(decisions, choices.c.choice).join_from(
        decisions, choices, decisions.c.choice_id == choices.c.id, isouter=True
    )


def _views(connection: Connection, query: Select[Any]) -> list[DecisionView]:
    rows = connection.execute(query).all()
    ids = [row.completion_id for row in rows]
    tried = _attempts_of(connection, ids)
    given = _feedback_of(connection, ids)
    by_source, weights = _scores_of(connection, ids)
    return [
        DecisionView(
            read_decision(row, read_choice_record(row.choice) if row.choice else b""),
            tuple(tried[row.completion_id]),
            read_outcome(row),
            tuple(given[row.completion_id]),
            Scores(
                router_id=row.router_id,
                model_id=row.model_id or "",
                task=row.task,
                at=row.ended_at,
                by_source=by_source[row.completion_id],
                weights=weights[row.completion_id],
            ),
            row.learned,
            None if row.shadow_model_id is None else Shadow(row.shadow_model_id, row.shadow_score),
        )
        for row in rows
    ]


def _attempts_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = defaultdict(list)
    query = select(attempts).where(attempts.c.completion_id.in_(ids)).order_by(attempts.c.number)
    for row in connection.execute(query):
        found[row.completion_id].append(read_attempt(row))
    return found


def _feedback_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[FeedbackRecord]]:
    found: dict[str, list[FeedbackRecord]] = defaultdict(list)
    query = select(feedback).where(feedback.c.completion_id.in_(ids)).order_by(feedback.c.at, feedback.c.id)
    for row in connection.execute(query):
        found[row.completion_id].append(_read_feedback(row))
    return found


def _scores_of(
    connection: Connection, ids: Sequence[str]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """The current scores of each request by source, and the weights of those that weigh less than 1."""
    by_source: dict[str, dict[str, float]] = defaultdict(dict)
    weights: dict[str, dict[str, float]] = defaultdict(dict)
    for row in connection.execute(select(scores).where(scores.c.completion_id.in_(ids))):
        by_source[row.completion_id][row.source] = row.score
        if row.weight != 1.0:
            weights[row.completion_id][row.source] = row.weight
    return by_source, weights


def _read_feedback(row: Row[Any]) -> FeedbackRecord:
    return FeedbackRecord(
        id=row.id,
        completion_id=row.completion_id,
        key_id=row.key_id,
        any_key=False,
        routers=None,
        source=row.source,
        score=row.score,
        at=row.at,
        comment=row.comment,
        metadata=msgspec.json.decode(row.metadata) if isinstance(row.metadata, str) else row.metadata,
    )
