"""The routers' budgets: one row each, moved on by every answer, under its lock."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Dialect, bindparam, select, update

from bandit.types import BudgetState
from storage.database.bulk import Cursor, compile_bulk, compile_text, current_revision, insert_many
from storage.records import CompletionRecord
from storage.tables import budgets

Pace = Callable[[str, BudgetState, float], BudgetState | None]
"""A router's budget after an answer that cost so many dollars; None for a router without a budget."""


class PacingStatements:
    """What budgets are read and moved with, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        own = budgets.c.router_id == bindparam("own")
        self.insert = compile_bulk(insert_many(budgets, dialect).on_conflict_do_nothing(), dialect)
        locked = select(budgets.c.multiplier, budgets.c.mean_cost_usd).where(own).with_for_update()
        self.lock = compile_text(locked, dialect)
        moved: dict[str, Any] = {"multiplier": bindparam("multiplier"), "mean_cost_usd": bindparam("mean_cost_usd")}
        changed = update(budgets).where(own).values(**moved, revision=current_revision(dialect))
        self.update = compile_text(changed, dialect)


class Pacing:
    """Moves budgets on in the transaction of the answers that they are about."""

    def __init__(self, statements: PacingStatements, pace: Pace) -> None:
        self._statements = statements
        self._pace = pace

    def move(self, cursor: Cursor, records: Sequence[CompletionRecord]) -> dict[str, BudgetState]:
        """Move the budgets on by these answers, in order; returns those that moved."""
        costs: dict[str, list[float]] = {}
        for record in records:
            if record.outcome.model_id is not None:
                costs.setdefault(record.decision.router_id, []).append(record.outcome.cost_usd)
        moved: dict[str, BudgetState] = {}
        for router_id in sorted(costs):  # one order for all processes, so that none waits for another in a circle
            if self._pace(router_id, BudgetState(), 0.0) is None:
                continue
            state = self._locked(cursor, router_id)
            for cost_usd in costs[router_id]:
                state = self._pace(router_id, state, cost_usd) or state
            cursor.execute(self._statements.update, (state.multiplier, state.mean_cost_usd, router_id))
            moved[router_id] = state
        return moved

    def _locked(self, cursor: Cursor, router_id: str) -> BudgetState:
        """The router's row, made where it is missing, and locked until the commit."""
        start = BudgetState()
        self._statements.insert.write(cursor, [(router_id, start.multiplier, start.mean_cost_usd)])
        cursor.execute(self._statements.lock, (router_id,))
        return BudgetState(*cursor.fetchall()[0])
