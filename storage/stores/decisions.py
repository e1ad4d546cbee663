"""Reads pages of requests as flat rows, the latest first, filtered by what they are, in bounded time.

Each page follows one index: that of a key's requests, of a router's, of those that were not answered, or the ids, which
have the time of their making in front. What no index serves is compared with up to `MOST_SCANNED` of its entries, and
for `MOST_SECONDS`; a page that ends there says how far back it has searched.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from bandit.types import Epoch
from storage.database.engine import Database
from storage.database.months import first_id
from storage.errors import InvalidCursor
from storage.records import Status
from storage.tables import decisions, scores

Columns: TypeAlias = ReadOnlyColumnCollection[str, Any]

MOST_IN_A_PAGE = 200
MOST_SCANNED = 2_500
MOST_SCATTERED = 1_500
"""The same of indexes whose entries lead to rows far from one another: those of a key, and those without an answer."""

FIRST_SCANNED = 100
"""Entries that each page may compare: what they take says how many more there is time for."""

MOST_SECONDS = 0.06
"""Of one search. Rows that are in memory are compared 20 times as fast as those that wait for a disk."""

_ABOVE_IDS = "~"
"""Sorts after all ids."""

_LATEST_DECISION_SECONDS = 3_600.0
"""A request is decided within this time after its id was made: large bodies come slowly."""
_STEP_SECONDS = 60.0
"""Of clocks: a request may be decided up to this much before its id was made."""


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which requests are wanted; None, and no statuses: all. `until` is exclusive, `model_id` drawn or answering."""

    router_ids: Collection[str] | None = None
    key_id: str | None = None
    model_id: str | None = None
    task: str | None = None
    statuses: Collection[Status] = ()
    explored: bool | None = None
    conversation: str | None = None
    score_max: float | None = None
    since: Epoch | None = None
    until: Epoch | None = None


@dataclass(frozen=True, slots=True)
class DecisionSummary:
    """A request in short, by the names of the ledger's columns. `score` is the mean over its sources."""

    completion_id: str
    at: float
    router_id: str
    key_id: str
    model_id: str | None
    drawn_model_id: str
    task: str
    policy: str
    propensity: float
    randomised: bool
    explored: bool | None
    status: Status
    http_status: int
    error_code: str | None
    attempts: int
    seconds: float
    cost_usd: float
    prompt_tokens: int | None
    completion_tokens: int | None
    estimated: bool
    reason: str
    episode_id: str | None
    conversation: str | None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """A page. `cursor` asks for the next one; None: this is the last. `searched_to`: it ends before it is full."""

    rows: tuple[DecisionSummary, ...]
    cursor: str | None
    searched_to: float | None


class _Edge(NamedTuple):
    """The entry of the index up to which was searched, and whose id comes last of that instant."""

    at: float
    completion_id: str


class Decisions:
    """The requests of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.perf_counter) -> None:
        self._database = database
        self._clock = clock

    def page(self, wanted: DecisionFilter, cursor: str | None = None, limit: int = 50) -> DecisionPage:
        """Read a page of the requests that are wanted, the latest first. Raises InvalidCursor."""
        limit = max(1, min(limit, MOST_IN_A_PAGE))
        scan = _Scan(wanted)
        with self._database.read() as connection:
            found, edge = self._found(
                connection, scan, None if cursor is None else _Edge(*read_cursor(cursor)), limit + 1
            )
            mean = _scores_of(connection, [row["completion_id"] for row in found[:limit]])
        rows = tuple(_summary(row, mean.get(row["completion_id"])) for row in found[:limit])
        if len(found) > limit:
            return DecisionPage(rows, cursor_of(rows[-1].at, rows[-1].completion_id), None)
        return (
            DecisionPage(rows, None, None)
            if edge is None
            else DecisionPage(rows, cursor_of(edge.at, edge.completion_id), edge.at)
        )

    def _found(
        self, connection: Connection, scan: "_Scan", after: _Edge | None, count: int
    ) -> tuple[list[RowMapping], _Edge | None]:
        """Read up to `count` rows that are wanted, and up to where was searched; None: as far as was needed.

        A stretch of the index at a time: each tells how long a stretch the time that is left allows.
        """
        if not scan.is_filtered:
            return list(connection.execute(scan.rows(after, None, count)).mappings()), None
        began, rows, left = self._clock(), list[RowMapping](), scan.most
        entries, now = min(left, max(FIRST_SCANNED, count)), began
        while True:
            edge = scan.edge(connection, after, entries)
            rows += connection.execute(scan.rows(after, edge, count - len(rows), entries)).mappings()
            left -= entries
            if edge is None or len(rows) == count or not left:
                return rows, edge
            before, now = now, self._clock()
            in_time = entries * (began + MOST_SECONDS - now) / max(now - before, 1e-6)
            if in_time < min(FIRST_SCANNED, left):
                return rows, edge
            # Not all of the rest: rows that were read lately are in memory, older ones may not be.
            entries, after = min(left, int(in_time), max(FIRST_SCANNED, scan.most // 4)), edge

    def summary(self, completion_id: str) -> DecisionSummary | None:
        """Read one request in short; None if the id is unknown."""
        query = select(*_columns).where(decisions.c.completion_id == completion_id)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
            mean = _scores_of(connection, [completion_id])
        return None if row is None else _summary(row, mean.get(completion_id))

    def neighbours(self, router_id: str, at: float, completion_id: str) -> tuple[str | None, str | None]:
        """Read the ids of the router's next newer and next older request; None: there is none."""
        c = decisions.c
        beyond = (c.at >= at, or_(c.at > at, and_(c.at == at, c.completion_id > completion_id)))
        before = (c.at <= at, or_(c.at < at, and_(c.at == at, c.completion_id < completion_id)))
        own = select(c.completion_id).where(c.router_id == router_id).limit(1)
        with self._database.read() as connection:
            newer = connection.scalar(own.where(*beyond).order_by(c.at, c.completion_id))
            older = connection.scalar(own.where(*before).order_by(c.at.desc(), c.completion_id.desc()))
        return newer, older


_MEAN = func.sum(scores.c.score * scores.c.weight) / func.sum(scores.c.weight)
"""The mean score of one request over its sources."""
_columns = [decisions.c[field.name] for field in fields(DecisionSummary) if field.name != "score"]


class _Scan:
    """The queries of a page: an index serves some conditions, and its entries are compared with the others.

    `most` are the entries that a page may compare.
    """

    def __init__(self, wanted: DecisionFilter) -> None:
        self._wanted = wanted
        routers = wanted.router_ids
        self._routers = routers
        c = decisions.c
        indexed: list[ColumnElement[bool]] = []
        self._by_id = False
        self.most = min(MOST_SCANNED, MOST_SCATTERED)
        if wanted.key_id is not None:
            indexed.append(c.key_id == wanted.key_id)
        elif wanted.statuses and Status.ANSWERED not in wanted.statuses:
            indexed.append(c.status != literal_column("'answered'"))  # no parameter: as the partial index has it
        elif routers is not None and len(routers) == 1:
            indexed.append(c.router_id == next(iter(routers)))
            self._routers = None
            self.most = MOST_SCANNED
        else:
            self._by_id = True
            self.most = MOST_SCANNED
        self._indexed = indexed + (self._ids_between() if self._by_id else self._between(c))
        self.is_filtered = bool(self._filters(c))

    def edge(self, connection: Connection, after: _Edge | None, entries: int) -> _Edge | None:
        """Read where a stretch of so many entries ends; None: the index ends before.

        Without the rows that the entries lead to: each may be a page of its own. An index by time has no ids, so what
        came at the same instant is left to the next stretch.
        """
        c = decisions.c
        where = [*self._indexed, *self._beyond(after)]
        if not self._by_id:
            ats = select(c.at).where(*where).order_by(c.at.desc()).limit(entries).subquery()
            query = select(func.count(), func.min(ats.c.at), func.max(ats.c.at))
            count, first, last = connection.execute(query.select_from(ats)).one()
            if count < entries:
                return None
            if first < last:
                return _Edge(first, _ABOVE_IDS)
        query = select(c.at, c.completion_id).where(*where).order_by(*self._order(c))
        row = connection.execute(query.limit(1).offset(entries - 1)).first()
        return None if row is None else _Edge(row.at, row.completion_id)

    def rows(self, after: _Edge | None, edge: _Edge | None, count: int, entries: int = 0) -> Select[Any]:
        """Select up to `count` rows of a stretch of the index: none beyond the edge."""
        query = select(*_columns).where(*self._indexed, *self._beyond(after)).order_by(*self._order(decisions.c))
        if not self.is_filtered:
            return query.limit(count)
        if edge is not None:
            query = query.where(self._until(edge))
        # A subquery with a limit is dissolved by no planner, which would find another index. The limit itself is
        # beyond the edge: entries may have been added since that was read.
        scanned = query.limit(2 * entries).subquery()
        return select(scanned).where(*self._filters(scanned.c)).order_by(*self._order(scanned.c)).limit(count)

    def _order(self, c: Columns) -> list[ColumnElement[Any]]:
        return [c.completion_id.desc()] if self._by_id else [c.at.desc(), c.completion_id.desc()]

    def _filters(self, c: Columns) -> list[ColumnElement[bool]]:
        wanted = self._wanted
        filters = self._between(c) if self._by_id else []
        if self._routers is not None:
            filters.append(c.router_id.in_(self._routers))
        if wanted.model_id is not None:
            filters.append(or_(c.model_id == wanted.model_id, c.drawn_model_id == wanted.model_id))
        if wanted.task is not None:
            filters.append(c.task == wanted.task)
        if wanted.statuses:
            filters.append(c.status.in_([status.value for status in wanted.statuses]))
        if wanted.explored is not None:
            filters.append(c.explored.is_(wanted.explored))
        if wanted.conversation is not None:
            filters.append(c.conversation == wanted.conversation)
        if wanted.score_max is not None:
            own = select(_MEAN).where(scores.c.completion_id == c.completion_id)
            filters.append(own.scalar_subquery() <= wanted.score_max)
        return filters

    def _between(self, c: Columns) -> list[ColumnElement[bool]]:
        since, until = self._wanted.since, self._wanted.until
        return ([] if since is None else [c.at >= since]) + ([] if until is None else [c.at < until])

    def _ids_between(self) -> list[ColumnElement[bool]]:
        """Bounds of the ids that can have been decided in the time that is wanted."""
        c, since, until = decisions.c, self._wanted.since, self._wanted.until
        bounds: list[ColumnElement[bool]] = []
        if since is not None:
            bounds.append(c.completion_id >= first_id(Epoch(max(since - _LATEST_DECISION_SECONDS, 0.0))))
        if until is not None:
            bounds.append(c.completion_id < first_id(Epoch(until + _STEP_SECONDS)))
        return bounds

    def _beyond(self, after: _Edge | None) -> list[ColumnElement[bool]]:
        c = decisions.c
        if after is None:
            return []
        at, last_id = after
        if self._by_id:
            return [c.completion_id < last_id]
        if last_id == _ABOVE_IDS:
            return [c.at <= at]
        # The first is redundant, but lets the query start in the index.
        return [c.at <= at, or_(c.at < at, and_(c.at == at, c.completion_id < last_id))]

    def _until(self, edge: _Edge) -> ColumnElement[bool]:
        c = decisions.c
        if self._by_id:
            return c.completion_id >= edge.completion_id
        if edge.completion_id == _ABOVE_IDS:
            return c.at > edge.at
        return and_(c.at >= edge.at, or_(c.at > edge.at, and_(c.at == edge.at, c.completion_id >= edge.completion_id)))


def _scores_of(connection: Connection, ids: Sequence[str]) -> dict[str, float]:
    query = select(scores.c.completion_id, _MEAN).where(scores.c.completion_id.in_(ids))
    return {row[0]: row[1] for row in connection.execute(query.group_by(scores.c.completion_id))}


def _summary(row: Mapping[Any, Any], score: float | None) -> DecisionSummary:
    values = {name: row[name] for name in (column.name for column in _columns)}
    return DecisionSummary(**{**values, "status": Status(row["status"])}, score=score)


def cursor_of(at: float, completion_id: str) -> str:
    """The cursor behind a request."""
    return f"{at!r}~{completion_id}"


def read_cursor(cursor: str) -> tuple[float, str]:
    """The instant and the id in a cursor. Raises InvalidCursor."""
    at, _, last_id = cursor.partition("~")
    try:
        instant = float(at)
    except ValueError:
        instant = math.nan
    if not last_id or not math.isfinite(instant):
        raise InvalidCursor("the cursor is none that was given out")
    return instant, last_id
