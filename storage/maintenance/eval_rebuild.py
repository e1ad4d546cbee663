"""Compares the sums of evaluations with those of their rows, and corrects them."""

import math
from collections.abc import Mapping
from dataclasses import replace

from bandit.statistics import Signal, StatisticKey, Sums
from storage.database.engine import Database
from storage.maintenance.rebuild import Difference, equal
from storage.stores.evals import EvalRecord, Evals, EvalSums, LearnEval, Moments


class EvalRebuild:
    """Makes the sums of evaluations equal to their rows. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, learn_eval: LearnEval) -> None:
        self._evals = Evals(database)
        self._learn_eval = learn_eval

    def check(self) -> list[Difference]:
        """Return the sums that differ; in their keys the evaluation's id stands in the router's place."""
        return [each for record in self._evals.all() for each in _differences(record, self._fold(record))]

    def run(self) -> list[Difference]:
        """Correct every difference, and return those that there were."""
        found: list[Difference] = []
        for record in self._evals.all():
            folded = self._fold(record)
            own = _differences(record, folded)
            if own:
                self._evals.correct_sums(replace(record, sums=folded))
            found += own
        return found

    def _fold(self, record: EvalRecord) -> EvalSums:
        sums: dict[tuple[str, str, Signal], Moments] = {}
        for row in self._evals.scores(record.import_id):
            add_row(sums, row.model_id, row.task, self._learn_eval(row))
        return sums


def add_row(
    sums: dict[tuple[str, str, Signal], Moments], model_id: str, task: str, moments: Mapping[Signal, Moments]
) -> None:
    """Add what a row tells to the sums of its evaluation."""
    for signal, new in moments.items():
        held = sums.get((model_id, task, signal), (0.0, 0.0, 0.0))
        sums[model_id, task, signal] = (held[0] + new[0], held[1] + new[1], held[2] + new[2])


def _differences(record: EvalRecord, folded: EvalSums) -> list[Difference]:
    def sums(moments: Moments | None) -> Sums | None:
        return None if moments is None else Sums(record.made_at, math.inf, *moments)

    return [
        Difference(StatisticKey(record.id, *key), kept, fold)
        for key in sorted(record.sums.keys() | folded.keys())
        if not equal(kept := sums(record.sums.get(key)), fold := sums(folded.get(key)))
    ]
