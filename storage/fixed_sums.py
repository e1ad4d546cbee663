"""Sums of randomised first draws by day, class and drawn model, weighed by 1/p.

From them savings against "always this model" are computed without reading requests (`bandit.ope.savings`). The unit is
the first draw of a request: its first call's dollars and seconds, a failure of its model, and the score of its answer.
Sticky conversations, redraws, and calls whose ending says nothing about the model are left out.
"""

from collections.abc import Sequence
from operator import add, mul
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Select,
    Table,
    and_,
    case,
    cast,
    func,
    literal_column,
    select,
)

from bandit.types import Attempt, Ending, Scores
from storage.calendar import DAY
from storage.records import DecisionRecord, OutcomeRecord, Status
from storage.rows import clean
from storage.tables import FIXED_SUMS, OUTCOME_SUMS, attempts, decisions, scores

SUMS = tuple(FIXED_SUMS)

SMALLEST_PROPENSITY = 1e-6
"""Draws with a smaller probability are left out: their weight would hide all others."""

FAILED = frozenset({Ending.TIMEOUT, Ending.FAILED, Ending.CUT})
"""Endings of a call that are the model's own failure. Others but COMPLETE say nothing about the model."""

_SCORES_FROM = len(OUTCOME_SUMS)
_NO_SCORES = (0.0,) * (len(SUMS) - _SCORES_FROM)


class Cell(NamedTuple):
    """The key of a row of `fixed_sums`. `day` is in days since the epoch."""

    router_id: str
    day: int
    task: str
    model_id: str


class Draw(NamedTuple):
    """The first draw of a completion that is scored, with its cell."""

    cell: Cell
    propensity: float


class FixedSums:
    """Sums of many requests and scores."""

    __slots__ = ("_calls", "_cells", "_scores")

    def __init__(self) -> None:
        # Dollars and seconds of calls by cell, propensity (which the draws of a choice share) and failure.
        self._calls: dict[tuple[str, int, str, str, float, bool], list[tuple[float, float]]] = {}
        self._scores: dict[Cell, list[float]] = {}
        self._cells: dict[Cell, list[float]] | None = None  # of all that, once they are asked for

    def add_request(self, decision: DecisionRecord, outcome: OutcomeRecord, attempts: Sequence[Attempt]) -> None:
        """Add one request."""
        if decision.randomised and attempts:
            place = (decision.router_id, outcome.ended_at, clean(decision.task), decision.drawn_model_id)
            self.add_draw(*place, decision.propensity, attempts[0])

    def add_draw(
        self, router_id: str, ended_at: float, task: str, model_id: str, propensity: float, first: Attempt
    ) -> None:
        """Add a randomised first draw with the call that it led to."""
        failed = first.ending in FAILED
        if propensity < SMALLEST_PROPENSITY or not (failed or first.ending is Ending.COMPLETE):
            return
        self._cells = None
        alike = (router_id, int(ended_at // DAY), task, model_id, propensity, failed)
        calls = self._calls.get(alike)
        if calls is None:
            calls = self._calls[alike] = []
        calls.append((first.cost_usd, first.seconds))

    def add_scores(self, draw: Draw, before: Scores, after: Scores) -> None:
        """Add that the scores of a completion have become other ones."""
        self._cells = None
        own = self._scores.setdefault(draw.cell, [0.0] * len(SUMS))
        for given, sign in ((before, -1.0), (after, 1.0)):
            mean = given.mean()
            if mean is not None:
                weight = given.weight()
                # Powers of the weight that the score has: in w² it stands squared, too.
                terms = (sign * weight, sign * weight * mean, sign * weight * mean * mean)
                _add(own, terms, 1.0 / draw.propensity, weight)

    def cells(self) -> dict[Cell, list[float]]:
        """The sums of each cell, made once: nobody changes them."""
        if self._cells is None:
            cells = self._cells = {cell: list(sums) for cell, sums in self._scores.items()}
            for (router_id, day, task, model_id, propensity, failed), calls in self._calls.items():
                cell, w, terms = Cell(router_id, day, task, model_id), 1.0 / propensity, _terms(calls, float(failed))
                ww = w * w
                new = [*terms, *[w * term for term in terms], *[ww * term for term in terms], *_NO_SCORES]
                held = cells.get(cell)
                cells[cell] = new if held is None else list(map(add, held, new))
        return self._cells

    def rows(self) -> list[tuple[object, ...]]:
        """Rows of the table `fixed_sums`, sorted: all processes lock rows in the same order."""
        return sorted((*cell, *sums) for cell, sums in self.cells().items())


def draw_of(
    router_id: str,
    ended_at: float,
    task: str,
    model_id: str,
    *,
    propensity: float,
    randomised: bool,
    calls: int,
    status: str,
) -> Draw | None:
    """The first draw of a completion, if its answer's score counts; `model_id` is the drawn model."""
    counts = randomised and propensity >= SMALLEST_PROPENSITY and calls == 1 and status == Status.ANSWERED
    return Draw(Cell(router_id, int(ended_at // DAY), task, model_id), propensity) if counts else None


def fold_query(
    requests: Table = decisions, tried: Table = attempts, given: Table = scores, ids: Sequence[str] | None = None
) -> Select[Any]:
    """Select rows of `fixed_sums`: what requests (of these ids, or all) add up to."""
    score = select(
        given.c.completion_id,
        (func.sum(given.c.weight * given.c.score) / func.sum(given.c.weight)).label("mean"),
        func.max(given.c.weight).label("weight"),
    ).group_by(given.c.completion_id)
    if ids is not None:
        score = score.where(given.c.completion_id.between(min(ids), max(ids)), given.c.completion_id.in_(ids))
    scored = score.subquery("scored")
    first = and_(tried.c.completion_id == requests.c.completion_id, tried.c.number == 1)
    counts = and_(
        requests.c.attempts == 1,
        requests.c.status == Status.ANSWERED.value,
        scored.c.completion_id == requests.c.completion_id,
    )
    failed = case((tried.c.ending == Ending.COMPLETE.value, literal_column("0.0")), else_=literal_column("1.0"))
    one: ColumnElement[float] = literal_column("1.0")
    w = one / requests.c.propensity
    usd, seconds = tried.c.cost_usd, tried.c.seconds
    outcomes = (
        *(one, usd, seconds, failed),
        *(usd * usd, seconds * seconds, usd * seconds, usd * failed, seconds * failed),
    )
    weight, mean = scored.c.weight, scored.c.mean
    qualities = (one, mean, mean * mean)
    powers = (one, w, w * w)
    sums: list[ColumnElement[float]] = [func.sum(cast(power * term, Double)) for power in powers for term in outcomes]
    sums += [
        func.coalesce(func.sum(cast(power * own * term, Double)), literal_column("0.0"))
        for power, own in zip(powers, (weight, weight, weight * weight), strict=True)
        for term in qualities
    ]
    day = cast(func.floor(requests.c.ended_at / literal_column("86400.0")), BigInteger)
    keys = (requests.c.router_id, day, requests.c.task, requests.c.drawn_model_id)
    usable = [Ending.COMPLETE.value, *(ending.value for ending in FAILED)]
    query = select(*keys, *sums).select_from(requests.join(tried, first).outerjoin(scored, counts))
    query = query.where(
        requests.c.randomised,
        requests.c.propensity >= literal_column(str(SMALLEST_PROPENSITY)),
        tried.c.ending.in_(usable),
    )
    if ids is not None:
        own = requests.c.completion_id
        query = query.where(own.between(min(ids), max(ids)), own.in_(ids))
    return query.group_by(*keys)


def cells_of(connection: Connection, query: Select[Any]) -> dict[Cell, Sequence[float]]:
    """Read cells: the rows of `fold_query`, or of a table."""
    size = len(Cell._fields)
    return {Cell(*row[:size]): list(row[size:]) for row in connection.execute(query)}


def _terms(calls: Sequence[tuple[float, float]], failed: float) -> tuple[float, ...]:
    """Of each term of an outcome the sum over calls that have failed alike."""
    if len(calls) == 1:
        cost, took = calls[0]
        outcome = (1.0, cost, took, failed, cost * cost, took * took, cost * took)
        return (*outcome, failed * cost, failed * took)
    count, (usd, seconds) = float(len(calls)), zip(*calls, strict=True)
    all_usd, all_seconds = sum(usd), sum(seconds)
    return (
        *(count, all_usd, all_seconds, failed * count),
        *(sum(map(mul, usd, usd)), sum(map(mul, seconds, seconds)), sum(map(mul, usd, seconds))),
        *(failed * all_usd, failed * all_seconds),
    )


def _add(own: list[float], terms: Sequence[float], w: float, weight: float) -> None:
    """Add terms of a score, times w and times w²; `weight` is what the score weighs, and is in the terms once."""
    size = len(terms)
    for number, term in enumerate(terms, _SCORES_FROM):
        own[number] += term
        own[number + size] += w * term
        own[number + 2 * size] += w * w * weight * term
