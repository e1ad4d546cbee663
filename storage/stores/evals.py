"""Eval scorecards: scores of models from evaluations outside this gateway."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, select

from storage.database.engine import Database
from storage.database.revisions import Topic, mark_changed
from storage.records import AuditRecord
from storage.stores.audit import record_change
from storage.tables import eval_rows, evals


@dataclass(frozen=True, slots=True)
class EvalRow:
    """One model's score, already in [0, 1]."""

    model_id: str
    score: float
    notes: str = ""


@dataclass(frozen=True, slots=True)
class EvalRecord:
    """A scorecard. `minimum` and `maximum` are the range of its unit; `router_id` None: it applies to all routers."""

    id: str
    name: str
    metric: str
    unit: str
    minimum: float
    maximum: float
    router_id: str | None
    created_at: float
    rows: tuple[EvalRow, ...]


class Evals:
    """The scorecards of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[EvalRecord]:
        """Read every scorecard, the oldest first."""
        with self._database.read() as connection:
            rows: dict[str, list[EvalRow]] = defaultdict(list)
            for row in connection.execute(select(eval_rows).order_by(eval_rows.c.model_id)):
                rows[row.eval_id].append(EvalRow(row.model_id, row.score, row.notes))
            records = connection.execute(select(evals).order_by(evals.c.created_at, evals.c.id))
            return [_record(row, rows[row.id]) for row in records]

    def put(self, record: EvalRecord, change: AuditRecord | None = None) -> None:
        """Insert a scorecard, or replace the one of this id."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.EVALS, record.id)
            connection.execute(delete(evals).where(evals.c.id == record.id))
            connection.execute(
                insert(evals).values(
                    id=record.id,
                    name=record.name,
                    metric=record.metric,
                    unit=record.unit,
                    minimum=record.minimum,
                    maximum=record.maximum,
                    router_id=record.router_id,
                    created_at=record.created_at,
                )
            )
            if record.rows:
                connection.execute(
                    insert(eval_rows),
                    [
                        {"eval_id": record.id, "model_id": row.model_id, "score": row.score, "notes": row.notes}
                        for row in record.rows
                    ],
                )
            record_change(connection, change)

    def delete(self, eval_id: str, change: AuditRecord | None = None) -> bool:
        """Delete a scorecard. Returns whether there was one."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.EVALS, eval_id)
            if connection.execute(delete(evals).where(evals.c.id == eval_id)).rowcount == 0:
                return False
            record_change(connection, change)
            return True


def _record(row: Row[Any], rows: Sequence[EvalRow]) -> EvalRecord:
    return EvalRecord(
        id=row.id,
        name=row.name,
        metric=row.metric,
        unit=row.unit,
        minimum=row.minimum,
        maximum=row.maximum,
        router_id=row.router_id,
        created_at=row.created_at,
        rows=tuple(rows),
    )
