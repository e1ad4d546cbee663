"""Reads the first draws of a router's requests in bulk, with what came of them: what off-policy evaluation needs."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from bandit.types import Ending, Epoch
from storage.activity import traffic_by_model
from storage.database.engine import Database
from storage.rows import read_choice_record
from storage.tables import attempts, choices, decisions, feedback, scores

AT_ONCE = 2_000
"""Rows of one query, and ids in one condition."""
_RANDOM_AT = len("req_") + 12 + 1
_DIGITS = 4
"""The first digits of an id's random part, whose first character has the number `_RANDOM_AT`."""


@dataclass(frozen=True, slots=True)
class FirstDraw:
    """A request's first draw. `ending` is that of its call; None: no model was called."""

    completion_id: str
    at: float
    task: str
    model_id: str
    randomised: bool
    choice_id: str
    ending: Ending | None
    cost_usd: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A request's one score, what it weighs, and when it was given last."""

    score: float
    weight: float
    at: float


class FirstDraws:
    """The first draws in this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, router_id: str, since: Epoch) -> int:
        """Count a router's requests from the UTC day of `since` on, without a look at each."""
        with self._database.read() as connection:
            return sum(each.drawn for each in traffic_by_model(connection, router_id, since).values())

    def pages(self, router_id: str, since: Epoch, share: float = 1.0) -> Iterator[Sequence[FirstDraw]]:
        """Yield a router's first draws since an instant, the newest first, each page as it is then.

        With a `share` below 1 it is a uniform sample of about this size, the same ones each time.
        """
        query = self._query(router_id, since)
        if share < 1.0:
            digits = f"{int(share * 16**_DIGITS):0{_DIGITS}x}"
            query = query.where(func.substr(decisions.c.completion_id, _RANDOM_AT, _DIGITS) < digits)
        page = self._read(query)
        while page:
            yield page
            last = page[-1]
            at, completion_id = decisions.c.at, decisions.c.completion_id
            after = or_(at < last.at, and_(at == last.at, completion_id < last.completion_id))
            # The first is redundant, but lets the query start in the index.
            page = self._read(query.where(at <= last.at, after)) if len(page) == AT_ONCE else []

    def scores(self, completion_ids: Sequence[str]) -> dict[str, Scored]:
        """Read the scores of up to `AT_ONCE` requests; those without one are left out."""
        mean = func.sum(scores.c.score * scores.c.weight) / func.sum(scores.c.weight)
        current = select(scores.c.completion_id, mean, func.max(scores.c.weight))
        current = current.where(scores.c.completion_id.in_(completion_ids)).group_by(scores.c.completion_id)
        given = select(feedback.c.completion_id, func.max(feedback.c.at))
        given = given.where(feedback.c.completion_id.in_(completion_ids)).group_by(feedback.c.completion_id)
        with self._database.read() as connection:
            at = {row[0]: row[1] for row in connection.execute(given)}
            found = connection.execute(current).all()
        return {row[0]: Scored(row[1], row[2], at.get(row[0], 0.0)) for row in found}

    def scored_since(self, at: Epoch, most: int) -> set[str]:
        """Read up to `most` of the requests, of all routers, that were scored since an instant."""
        query = select(feedback.c.completion_id).where(feedback.c.at >= at).limit(most)
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())

    def choices(self, choice_ids: Collection[str]) -> dict[str, bytes]:
        """Read up to `AT_ONCE` choices, as they were recorded."""
        query = select(choices.c.id, choices.c.choice).where(choices.c.id.in_(choice_ids))
        with self._database.read() as connection:
            return {row[0]: read_choice_record(row[1]) for row in connection.execute(query)}

    def _query(self, router_id: str, since: Epoch) -> Select[Any]:
        c, first = decisions.c, attempts.c
        own = and_(first.completion_id == c.completion_id, first.number == 1)
        query = select(
            c.completion_id,
            c.at,
            c.task,
            c.drawn_model_id,
            c.randomised,
            c.choice_id,
            first.ending,
            first.cost_usd,
            first.seconds,
        ).join_from(decisions, attempts, own, isouter=True)
        query = query.where(c.router_id == router_id, c.at >= since)
        return query.order_by(c.at.desc(), c.completion_id.desc()).limit(AT_ONCE)

    def _read(self, query: Select[Any]) -> Sequence[FirstDraw]:
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            FirstDraw(
                completion_id=row[0],
                at=row[1],
                task=row[2],
                model_id=row[3],
                randomised=row[4],
                choice_id=row[5],
                ending=None if row[6] is None else Ending(row[6]),
                cost_usd=row[7] or 0.0,
                seconds=row[8] or 0.0,
            )
            for row in rows
        ]
