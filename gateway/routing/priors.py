"""What is believed of each model before its router has seen it: scorecards, and what other routers saw.

Latency and tokens are borrowed once, when a model joins a router, and kept from then on: observations are capped and
clipped by them, so they must not move while sums are added.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from bandit.posteriors.priors import model_prior, pooled
from bandit.types import ArmPrior, Epoch, StatisticKey, Sums
from storage.database.engine import Database
from storage.stores.evals import EvalRecord, Evals
from storage.stores.state import StateStore


class ArmPriors:
    """The priors of all arms, from one reading of the database."""

    def __init__(self, database: Database, sums: Mapping[StatisticKey, Sums], now: Epoch) -> None:
        self._kept = StateStore(database)
        self._evals = Evals(database).all()
        self._sums = sums
        self._now = now

    def of(self, router_id: str, model_id: str) -> ArmPrior:
        """The prior of a model in a router."""
        name = f"prior/{router_id}/{model_id}"
        kept = self._kept.get(name)
        if kept is not None:
            prior = msgspec.convert(kept, ArmPrior)
        else:
            prior = self._borrowed(router_id, model_id)
            self._kept.put(name, msgspec.to_builtins(prior), self._now)
        return replace(prior, scorecard=pooled(_scores(self._evals, router_id, model_id)))

    def _borrowed(self, router_id: str, model_id: str) -> ArmPrior:
        mine = [key for key in self._sums if key.model_id == model_id and key.router_id == router_id]
        if mine:
            return ArmPrior()
        return model_prior({key: sums for key, sums in self._sums.items() if key.model_id == model_id})


def _scores(evals: Iterable[EvalRecord], router_id: str, model_id: str) -> list[float]:
    return [
        row.score
        for record in evals
        if record.router_id in {None, router_id}
        for row in record.rows
        if row.model_id == model_id
    ]
