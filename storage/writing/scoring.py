"""Writes scores without a gateway, by the transaction that its writer uses: for imports of many."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from bandit.types import BudgetState
from storage.database.engine import Database
from storage.database.numbers import mark_statistics_changed
from storage.errors import Contention
from storage.records import FeedbackRecord
from storage.writing.failover import CONTENTION_TRIES
from storage.writing.scores import LearnScores, ScaleOf
from storage.writing.transaction import Result, Transactions


class ScoreWriter:
    """A context that writes scores of one database. Running gateways follow within a second."""

    def __init__(self, database: Database, learn_scores: LearnScores, scale_of: ScaleOf) -> None:
        def no_budget(router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
            return None  # scores cost nothing

        self._database = database
        clock = database.clock.now
        self._transactions = Transactions(database, learn_scores, no_budget, clock=clock, scale_of=scale_of)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transactions.close()
        if kind is None:
            with self._database.write() as connection:
                mark_statistics_changed(connection)

    def write(self, lists: Sequence[tuple[FeedbackRecord, ...]]) -> list[Result]:
        """Write lists of scores in one transaction, each list all or none; the receipts or the error of each.

        Raises DatabaseUnavailable, Contention: then none is written.
        """
        for _ in range(CONTENTION_TRIES - 1):
            try:
                return self._transactions.write(lists).results
            except Contention:  # with a running gateway
                continue
        return self._transactions.write(lists).results
