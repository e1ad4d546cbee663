"""The routers' budgets: one row each, updated by every answer under the row's lock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect, bindparam, select, update

from bandit.types import BudgetState
from storage.database.bulk import Cursor, compile_bulk, compile_text, insert_many
from storage.database.numbers import current_revision
from storage.records import CompletionRecord
from storage.tables import budgets

Pace = Callable[[str, BudgetState, float], BudgetState | None]
"""Return a router's budget after an answer that cost this many dollars; None if it has no budget."""


class PacingStatements:
    """The statements that lock and update budgets, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        own = budgets.c.router_id == bindparam("own")
        self.insert = compile_bulk(insert_many(budgets, dialect).on_conflict_do_nothing(), dialect)
        locked = select(budgets.c.multiplier, budgets.c.mean_cost_usd).where(own).with_for_update()
        self.lock = compile_text(locked, dialect)
        moved: dict[str, Any] = {"multiplier": bindparam("multiplier"), "mean_cost_usd": bindparam("mean_cost_usd")}
        changed = update(budgets).where(own).values(**moved, revision=current_revision(dialect))
        self.update = compile_text(changed, dialect)


class Pacing:
    """Updates budgets in the transaction of the answers that they pay for."""

    def __init__(self, statements: PacingStatements, pace: Pace) -> None:
        self._statements = statements
        self._pace = pace

    def has_budget(self, router_id: str) -> bool:
        """Test whether a router has a budget."""
        return self._pace(router_id, BudgetState(), 0.0) is not None

    def costs(self, records: Iterable[CompletionRecord]) -> dict[str, list[float]]:
        """The dollars of each answer, in order, of each router that has a budget."""
        costs: dict[str, list[float]] = {}
        for record in records:
            if record.outcome.model_id is not None:
                costs.setdefault(record.decision.router_id, []).append(record.outcome.cost_usd)
        return {own: usd for own, usd in costs.items() if self.has_budget(own)}

    def move(self, cursor: Cursor, costs: Mapping[str, Sequence[float]]) -> dict[str, BudgetState]:
        """Update the budgets by the dollars of answers, and return them. The transaction has drawn its number."""
        moved: dict[str, BudgetState] = {}
        for router_id in sorted(costs):  # sorted, so that processes can't deadlock
            state = self._locked(cursor, router_id)
            for cost_usd in costs[router_id]:
                state = self._pace(router_id, state, cost_usd) or state
            cursor.execute(self._statements.update, (state.multiplier, state.mean_cost_usd, router_id))
            moved[router_id] = state
        return moved

    def _locked(self, cursor: Cursor, router_id: str) -> BudgetState:
        """Lock the router's row until the commit; insert it if it is missing."""
        start = BudgetState()
        self._statements.insert.write(cursor, [(router_id, start.multiplier, start.mean_cost_usd)])
        cursor.execute(self._statements.lock, (router_id,))
        return BudgetState(*cursor.fetchall()[0])
