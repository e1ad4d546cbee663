"""Combine the effects of several transactions."""

from bandit.types import BudgetState
from storage.deltas import DeltaSums
from storage.key_usage import UNUSED, Cell, Usage
from storage.writing.transaction import Result, Written


class Combined:
    """The combined effects of several transactions."""

    def __init__(self) -> None:
        self._learned = DeltaSums()
        self._budgets: dict[str, BudgetState] = {}
        self._spend_usd: dict[tuple[str, int], float] = {}
        self._usage: dict[Cell, Usage] = {}
        self._judging_usd: dict[tuple[str, str, int], float] = {}
        self._results: list[Result] = []
        self._recorded = 0

    def add(self, written: Written) -> None:
        """Add the effects of a transaction, in the order of commits."""
        self._results += written.results
        self._recorded += written.recorded
        self._learned.add(written.deltas)
        self._budgets |= written.budgets
        for key, usd in written.spend_usd.items():
            self._spend_usd[key] = self._spend_usd.get(key, 0.0) + usd
        for cell, usage in written.usage.items():
            self._usage[cell] = self._usage.get(cell, UNUSED).plus(usage)
        for purpose, usd in written.judging_usd.items():
            self._judging_usd[purpose] = self._judging_usd.get(purpose, 0.0) + usd

    def written(self) -> Written:
        """Get the effects of all."""
        return Written(
            self._results,
            self._recorded,
            self._learned.deltas(),
            self._budgets,
            self._spend_usd,
            self._usage,
            self._judging_usd,
        )
