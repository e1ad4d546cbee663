"""Evaluations: scores of models from elsewhere, row by row, and the sums of each that count in the statistics.

Rows are written in many short transactions under the id of their import, and count for nothing until the evaluation
itself is put, in one transaction, with the sums of its rows. So an import of any size delays no other writer, and one
that is killed leaves rows that nobody reads, which a later import deletes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sqlalchemy import Row, delete, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from bandit.statistics import Signal
from storage.database.engine import Database
from storage.database.revisions import Topic, mark_changed
from storage.records import AuditRecord
from storage.stores.audit import record_change
from storage.tables import eval_scores, eval_sums, evals

Moments: TypeAlias = tuple[float, float, float]
"""Σ w, Σ w·y and Σ w·y²."""

EvalSums: TypeAlias = Mapping[tuple[str, str, Signal], Moments]
"""Sums of an evaluation's rows by model, task (empty: none) and signal."""

DELETED_AT_ONCE = 5_000
STREAMED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class EvalScore:
    """One row: a model's score on one prompt, or its mean over `weight` prompts that are not named.

    `score` is in [0, 1]; amounts are those of the answer (of a mean: the mean amounts); None: not known.
    """

    model_id: str
    score: float
    task: str = ""
    prompt_id: str = ""
    weight: float = 1.0
    completion_tokens: float | None = None
    cost_usd: float | None = None
    prompt_tokens: float | None = None
    seconds: float | None = None
    notes: str = ""


LearnEval = Callable[[EvalScore], Mapping[Signal, Moments]]
"""Return what one row adds to the sums of its model and task."""


@dataclass(frozen=True, slots=True)
class EvalRecord:
    """An evaluation. `minimum` and `maximum` are the range of its unit; `router_id` None: it is for all routers.

    `sums` are those of the rows of its import. They fade from `made_at` on; an evaluation that was withdrawn does not
    count.
    """

    id: str
    name: str
    metric: str
    unit: str
    minimum: float
    maximum: float
    router_id: str | None
    created_at: float
    made_at: float
    import_id: str
    sums: EvalSums
    withdrawn_at: float | None = None

    @property
    def source(self) -> str:
        """The name of its scores' source."""
        return f"eval:{self.name}"


class Evals:
    """The evaluations of this ledger. Every method raises DatabaseUnavailable if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.sqlite else postgresql.insert

    def all(self) -> list[EvalRecord]:
        """Read every evaluation with its sums, the oldest first."""
        with self._database.read() as connection:
            sums: dict[str, dict[tuple[str, str, Signal], Moments]] = defaultdict(dict)
            for row in connection.execute(select(eval_sums)):
                if row.signal in _SIGNALS:
                    key = (row.model_id, row.task, _SIGNALS[row.signal])
                    sums[row.eval_id][key] = (row.weight, row.total, row.squares)
            records = connection.execute(select(evals).order_by(evals.c.created_at, evals.c.id))
            return [_record(row, sums[row.id]) for row in records]

    def scores(self, import_id: str) -> Iterator[EvalScore]:
        """Yield the rows of an import, in no particular order."""
        query = select(*(eval_scores.c[name] for name in _FIELDS)).where(eval_scores.c.import_id == import_id)
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=STREAMED_AT_ONCE).execute(query):
                yield EvalScore(*row)

    def notes(self, import_id: str) -> dict[tuple[str, str], str]:
        """Read the notes of an import's means, by model and task."""
        own = (eval_scores.c.import_id == import_id) & (eval_scores.c.notes != "") & (eval_scores.c.prompt_id == "")
        query = select(eval_scores.c.model_id, eval_scores.c.task, eval_scores.c.notes).where(own)
        with self._database.read() as connection:
            return {(row.model_id, row.task): row.notes for row in connection.execute(query)}

    def insert_scores(self, import_id: str, rows: Sequence[EvalScore]) -> set[tuple[str, str, str]]:
        """Insert rows of an import. Returns the keys (model, task, prompt) of those that it had already: none of them
        is written. The rows must have different keys.
        """
        statement = self._insert(eval_scores).on_conflict_do_nothing()
        keys = [eval_scores.c[name] for name in _KEY]
        values = [{"import_id": import_id, **{name: getattr(row, name) for name in _FIELDS}} for row in rows]
        with self._database.write() as connection:
            known = (eval_scores.c.import_id == import_id) & tuple_(*keys).in_([_key(row) for row in rows])
            had = {tuple(row) for row in connection.execute(select(*keys).where(known))}
            connection.execute(statement, values)
        return had

    def put(self, record: EvalRecord, change: Callable[[EvalRecord | None], AuditRecord | None]) -> EvalRecord:
        """Insert an evaluation with its sums, in place of one of the same name and router, whose id it takes.

        `change` makes the audit record, given the former one. Returns the record as it is stored.
        """
        with self._database.write() as connection:
            # Counts and so locks the topic: of two imports of one name the second replaces the first.
            mark_changed(connection, Topic.EVALS, record.id)
            same = evals.c.router_id.is_(None) if record.router_id is None else evals.c.router_id == record.router_id
            row = connection.execute(select(evals).where(evals.c.name == record.name, same)).first()
            former = None if row is None else _record(row, {})
            if former is not None:
                record = replace(record, id=former.id)
                mark_changed(connection, Topic.EVALS, record.id)
                connection.execute(delete(evals).where(evals.c.id == record.id))
            connection.execute(insert(evals).values({name: getattr(record, name) for name in _COLUMNS}))
            if record.sums:
                connection.execute(insert(eval_sums), _sum_rows(record))
            record_change(connection, change(former))
        if former is not None:
            self.delete_scores(former.import_id)
        return record

    def correct_sums(self, record: EvalRecord) -> None:
        """Replace an evaluation's sums, if its rows are still those that they were computed from."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.EVALS, record.id)
            own = (evals.c.id == record.id) & (evals.c.import_id == record.import_id)
            if connection.execute(select(evals.c.id).where(own)).first() is None:
                return
            connection.execute(delete(eval_sums).where(eval_sums.c.eval_id == record.id))
            if record.sums:
                connection.execute(insert(eval_sums), _sum_rows(record))

    def withdraw(self, eval_id: str, at: float, change: AuditRecord | None = None) -> bool:
        """Stop an evaluation from counting; it stays to be seen. Returns whether there was one that counted."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.EVALS, eval_id)
            own = (evals.c.id == eval_id) & evals.c.withdrawn_at.is_(None)
            if connection.execute(update(evals).where(own).values(withdrawn_at=at)).rowcount == 0:
                return False
            record_change(connection, change)
            return True

    def delete(self, eval_id: str, change: AuditRecord | None = None) -> bool:
        """Delete an evaluation with its rows. Returns whether there was one."""
        with self._database.write() as connection:
            mark_changed(connection, Topic.EVALS, eval_id)
            import_id = connection.execute(
                delete(evals).where(evals.c.id == eval_id).returning(evals.c.import_id)
            ).scalar()
            if import_id is None:
                return False
            record_change(connection, change)
        self.delete_scores(import_id)
        return True

    def delete_scores(self, import_id: str) -> None:
        """Delete the rows of an import that no evaluation has, in short transactions."""
        own = eval_scores.c.import_id == import_id
        keys = [eval_scores.c[name] for name in _KEY]
        while True:
            with self._database.write() as connection:
                some = connection.execute(select(*keys).where(own).limit(DELETED_AT_ONCE)).all()
                if some:
                    connection.execute(delete(eval_scores).where(own, tuple_(*keys).in_([tuple(row) for row in some])))
            if len(some) < DELETED_AT_ONCE:
                return

    def abandoned(self, before: str) -> list[str]:
        """Return the imports that no evaluation has and whose id, which begins with its time, is below `before`."""
        kept = select(evals.c.import_id)
        left = eval_scores.c.import_id.not_in(kept) & (eval_scores.c.import_id < before)
        with self._database.read() as connection:
            return list(connection.execute(select(eval_scores.c.import_id).where(left).distinct()).scalars())


_FIELDS = tuple(EvalScore.__dataclass_fields__)
_KEY = ("model_id", "task", "prompt_id")
_COLUMNS = tuple(name for name in EvalRecord.__dataclass_fields__ if name != "sums")
_SIGNALS = {signal.value: signal for signal in Signal}


def _key(row: EvalScore) -> tuple[str, str, str]:
    return row.model_id, row.task, row.prompt_id


def _sum_rows(record: EvalRecord) -> list[dict[str, object]]:
    return [
        {
            "eval_id": record.id,
            "model_id": model_id,
            "task": task,
            "signal": signal.value,
            "weight": weight,
            "total": total,
            "squares": squares,
        }
        for (model_id, task, signal), (weight, total, squares) in record.sums.items()
    ]


def _record(row: Row[Any], sums: EvalSums) -> EvalRecord:
    return EvalRecord(**{name: getattr(row, name) for name in _COLUMNS}, sums=sums)
