"""Adds up what happened in the parts of an experiment: sums over units, and sums of their products."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Double, and_, case, cast, func, literal_column, or_, select

from bandit.types import Epoch
from storage.database.engine import Database
from storage.records import Status
from storage.rows import read_choice_record
from storage.tables import choices, decisions, scores


@dataclass(frozen=True, slots=True)
class UnitSums:
    """One policy: how many units it had, and of each unit's requests, dollars, seconds, failures, weights of scores and
    weighed scores the `totals` over units and the `products`, by row and column of the upper triangle.
    """

    policy: str
    units: int
    totals: Sequence[float]
    products: Sequence[float]


class Experiments:
    """The experiments in this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self, router_id: str, since: Epoch) -> bytes | None:
        """Read the choice of a router's latest request in an experiment, as it was recorded; None without one."""
        query = select(choices.c.choice).join_from(decisions, choices, choices.c.id == decisions.c.choice_id)
        query = query.where(decisions.c.router_id == router_id, decisions.c.at >= since)
        query = query.where(decisions.c.experiment.is_not(None)).order_by(decisions.c.at.desc()).limit(1)
        with self._database.read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else read_choice_record(found)

    def others(self, router_id: str, experiment: str, since: Epoch) -> int:
        """Count a router's requests since an instant that were part of another experiment."""
        query = select(func.count()).where(decisions.c.router_id == router_id, decisions.c.at >= since)
        with self._database.read() as connection:
            return connection.execute(query.where(decisions.c.experiment != experiment)).scalar_one()

    def sums(self, router_id: str, experiment: str, since: Epoch) -> list[UnitSums]:
        """Add up an experiment's requests since an instant, by policy; those that callers got wrong are left out."""
        c = decisions.c
        zero: ColumnElement[float] = literal_column("0.0")
        one: ColumnElement[float] = literal_column("1.0")
        cut = and_(c.status == Status.PARTIAL.value, c.error_code.is_not(None))
        failed = case((or_(c.status == Status.FAILED.value, cut), one), else_=zero)
        weight = func.coalesce(func.max(scores.c.weight), zero)
        mean = func.coalesce(func.sum(scores.c.score * scores.c.weight) / func.sum(scores.c.weight), zero)
        own = (c.completion_id, c.policy, c.assignment, c.cost_usd, c.seconds, c.status, c.error_code)
        each = select(
            *(c.policy, c.assignment, c.cost_usd, c.seconds),
            *(failed.label("failed"), weight.label("weight"), (weight * mean).label("quality")),
        ).select_from(decisions.outerjoin(scores, scores.c.completion_id == c.completion_id))
        each = each.where(c.router_id == router_id, c.at >= since, c.experiment == experiment)
        request = each.where(c.status != Status.REJECTED.value).group_by(*own).subquery("request").c
        sums = {
            "requests": func.count(),
            **{name: func.sum(request[name]) for name in ("cost_usd", "seconds", "failed", "weight", "quality")},
        }
        terms = (cast(value, Double).label(name) for name, value in sums.items())
        by_unit = select(request.policy, request.assignment, *terms).group_by(request.policy, request.assignment)
        unit = by_unit.subquery("unit").c
        names = list(sums)
        totals = [func.sum(unit[name]) for name in names]
        products = [func.sum(unit[a] * unit[b]) for place, a in enumerate(names) for b in names[place:]]
        query = select(unit.policy, func.count(), *totals, *products).group_by(unit.policy).order_by(unit.policy)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        size = len(names)
        return [UnitSums(row[0], row[1], tuple(row[2 : 2 + size]), tuple(row[2 + size :])) for row in rows]
