"""Records late whether an answer was valid, once per outcome, with its deltas, so that the ledger still folds."""

from collections.abc import Sequence

from sqlalchemy import Dialect, bindparam, select, update

from storage.database.bulk import Cursor, among, as_listed, compile_text
from storage.deltas import DeltaSums, extend_encoded
from storage.records import ValidityRecord
from storage.tables import decisions


class ValidityStatements:
    """The statements that record validity, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        unknown = among(decisions.c.completion_id, dialect) & decisions.c.valid.is_(None)
        found = select(decisions.c.completion_id, decisions.c.ended_at, decisions.c.learned).where(unknown)
        self._unknown = compile_text(found.order_by(decisions.c.completion_id).with_for_update(), dialect)
        noted = update(decisions).values(valid=bindparam("found"), learned=bindparam("taught"))
        self._note = compile_text(noted.where(decisions.c.completion_id == bindparam("completion")), dialect)

    def write(self, cursor: Cursor, records: Sequence[ValidityRecord], learned: DeltaSums) -> None:
        """Record each whose outcome is in the ledger without a validity, and add its deltas to `learned`."""
        by_id = {record.completion_id: record for record in records}
        if not by_id:
            return
        cursor.execute(self._unknown, (as_listed(sorted(by_id)),))
        for completion_id, ended_at, kept in cursor.fetchall():
            record = by_id[completion_id]
            added = extend_encoded(kept, learned.add(record.deltas), ended_at)
            cursor.execute(self._note, (record.valid, added, completion_id))
