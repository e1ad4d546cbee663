"""The writer's statements, compiled once for each kind of database."""

from copy import copy
from functools import cache

from sqlalchemy import ColumnElement, Dialect, Table, bindparam, func, literal_column, select, update

from storage.database.addition import add_counts, add_sums, note_changed_routers
from storage.database.bulk import Bulk, Copy, among, compile_bulk, compile_plain, compile_text, dialect_of, insert_many
from storage.database.numbers import draw_number
from storage.judging import COUNTS as JUDGING_COUNTS
from storage.pending_events import PendingEvents
from storage.roll_ups import RollUpStatements
from storage.rows import ATTEMPT_COLUMNS, DECISION_COLUMNS, USUAL_OF_ATTEMPT, USUAL_OF_DECISION
from storage.tables import (
    arms,
    attempts,
    choices,
    contents,
    decisions,
    feedback,
    identity,
    judging,
    scores,
    tasks,
)
from storage.writing.budgets import PacingStatements
from storage.writing.scores import ScoringQueries
from storage.writing.shadows import ShadowStatements
from storage.writing.validity import ValidityStatements

_PLAIN: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (choices, ()),
    (decisions, DECISION_COLUMNS),
    (attempts, ATTEMPT_COLUMNS),
    (contents, ()),
    (feedback, ()),
)
"""Tables whose rows are inserted and never changed, each with the columns of a row in order; (): all."""
_USUAL = {decisions: USUAL_OF_DECISION, attempts: USUAL_OF_ATTEMPT}


class Statements:
    """The statements that write a batch."""

    def __init__(self, dialect: Dialect) -> None:
        self.choices: Bulk
        self.choices, self.decisions, self.attempts, self.contents, self.feedback = (
            compile_plain(table, dialect, columns, _USUAL.get(table, 0)) for table, columns in _PLAIN
        )
        score = insert_many(scores, dialect)
        replaced = {name: score.excluded[name] for name in ("score", "feedback_id", "weight")}
        keyed = score.on_conflict_do_update(index_elements=["completion_id", "source"], set_=replaced)
        self.scores = compile_bulk(keyed, dialect)
        # An update, not an upsert: only admitted names have rows.
        used = update(tasks).values(last_used_at=bindparam("used_at"))
        used = used.where(tasks.c.router_id == bindparam("router"), tasks.c.task == bindparam("name"))
        self.use_task = compile_text(used.where(tasks.c.last_used_at < bindparam("later")), dialect)
        self.arms = add_sums(arms, dialect)
        self.changed_routers = note_changed_routers(dialect)
        self.roll_ups = RollUpStatements(dialect)
        self.pending = PendingEvents(dialect)
        self.judging = add_counts(judging, dialect, JUDGING_COUNTS)
        # A restore by SQL makes the tables anew, and begins its epoch only after that.
        table: ColumnElement[int] = literal_column("tableoid::bigint" if dialect.name == "postgresql" else "0")
        state = {"ledger_id": identity.c.ledger_id, "epoch": identity.c.epoch, "table_oid": table}
        self.ledger = compile_text(select(*state.values()).select_from(identity), dialect)
        found = literal_column("1").op("/")(func.count())
        same = (column == bindparam(name, type_=column.type) for name, column in state.items())
        self.require_ledger = compile_text(select(found).select_from(identity).where(*same), dialect)
        self.number = compile_text(draw_number(dialect), dialect)
        self.known = compile_text(
            select(decisions.c.completion_id).where(among(decisions.c.completion_id, dialect)), dialect
        )
        self.scoring = ScoringQueries(dialect)
        self.validity = ValidityStatements(dialect)
        self.shadows = ShadowStatements(dialect)
        self.pacing = PacingStatements(dialect)
        self._dialect = dialect

    def copying(self) -> "Statements":
        """Return the same statements with plain inserts by COPY on PostgreSQL."""
        if self._dialect.name == "sqlite":
            return self
        other = copy(self)
        other.choices, other.decisions, other.attempts, other.contents, other.feedback = (
            Copy(*each) for each in _PLAIN
        )
        return other


@cache
def statements_for(name: str) -> Statements:
    """Return the statements for `sqlite` or `postgresql`."""
    return Statements(dialect_of(name))
