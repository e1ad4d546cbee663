"""Writes a record again that the database had refused."""

from bandit.statistics import Deltas
from bandit.types import BudgetState, Scores
from storage.database.engine import Database
from storage.database.numbers import mark_statistics_changed
from storage.errors import LedgerError, RecordRefused
from storage.records import CompletionRecord
from storage.stores.refused import RefusedRecords
from storage.writing.transaction import Transactions


def retry(database: Database, completion_id: str, record: CompletionRecord) -> None:
    """Write a refused record, unless it is in the ledger, and take it from those that are kept aside.

    Idempotent. Running gateways follow. Raises DatabaseUnavailable, and RecordRefused if it is refused again.
    """

    def no_scores(before: Scores, after: Scores) -> Deltas:
        raise LedgerError("a completion has no scores yet")

    def no_budget(router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
        return None  # the budget's pace went on without it

    transactions = Transactions(database, no_scores, no_budget, clock=database.clock.now)
    try:
        transactions.write([record], again=True)
    except LedgerError:
        raise
    except Exception as error:  # of a driver, about a value
        raise RecordRefused(repr(error)) from error
    finally:
        transactions.close()
    RefusedRecords(database).remove(completion_id)
    with database.write() as connection:
        mark_statistics_changed(connection)
