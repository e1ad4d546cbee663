"""The routers' budgets: one row each, moved on by every answer, under its lock."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select, update

from bandit.types import BudgetState
from storage.addition import current_revision, upsert
from storage.records import CompletionRecord
from storage.tables import budgets

Pace = Callable[[str, BudgetState, float], BudgetState | None]
"""A router's budget after an answer that cost so many dollars; None for a router without a budget."""


def pace_budgets(connection: Connection, records: Sequence[CompletionRecord], pace: Pace) -> dict[str, BudgetState]:
    """Move the budgets on by these answers, in order; returns those that moved."""
    costs: dict[str, list[float]] = {}
    for record in records:
        if record.outcome.model_id is not None:
            costs.setdefault(record.decision.router_id, []).append(record.outcome.cost_usd)
    paced = sorted(router_id for router_id in costs if pace(router_id, BudgetState(), 0.0) is not None)
    moved: dict[str, BudgetState] = {}
    for router_id in paced:
        state = _lock(connection, router_id)
        for cost_usd in costs[router_id]:
            state = pace(router_id, state, cost_usd) or state
        values = {"multiplier": state.multiplier, "mean_cost_usd": state.mean_cost_usd}
        revision = current_revision(connection.dialect)
        own = budgets.c.router_id == router_id
        connection.execute(update(budgets).where(own).values(revision=revision, **values))
        moved[router_id] = state
    return moved


def _lock(connection: Connection, router_id: str) -> BudgetState:
    """The router's row, made where it is missing, and locked until the commit."""
    columns = ("router_id", "multiplier", "mean_cost_usd")
    fresh = upsert(budgets, connection.dialect, columns, revised=True).on_conflict_do_nothing()
    start = BudgetState()
    values = {"router_id": router_id, "multiplier": start.multiplier, "mean_cost_usd": start.mean_cost_usd}
    connection.execute(fresh, values)
    row = connection.execute(select(budgets).where(budgets.c.router_id == router_id).with_for_update()).one()
    return BudgetState(row.multiplier, row.mean_cost_usd)
