"""Records late how a second model's answer compared, once per request, with its deltas, so that the ledger folds."""

from collections.abc import Sequence

from sqlalchemy import Dialect, bindparam, select, update

from bandit.statistics import JUDGE
from bandit.types import Scores
from storage.database.bulk import Cursor, among, as_listed, compile_text
from storage.deltas import DeltaSums, extend_encoded
from storage.records import ComparisonRecord
from storage.tables import decisions
from storage.writing.scores import LearnScores


class ShadowStatements:
    """The statements that record second models' scores, compiled once."""

    def __init__(self, dialect: Dialect) -> None:
        columns = [decisions.c[name] for name in ("completion_id", "router_id", "task", "ended_at", "learned")]
        unknown = among(decisions.c.completion_id, dialect) & decisions.c.shadow_score.is_(None)
        self._unknown = compile_text(select(*columns).where(unknown), dialect)
        # Bound in the order of the columns, not of these.
        noted = update(decisions).values(
            learned=bindparam("taught"), shadow_model_id=bindparam("model"), shadow_score=bindparam("given")
        )
        self._note = compile_text(noted.where(decisions.c.completion_id == bindparam("completion")), dialect)

    def write(
        self, cursor: Cursor, records: Sequence[ComparisonRecord], learn_scores: LearnScores, learned: DeltaSums
    ) -> None:
        """Record each whose request has no second score yet, and add its deltas to `learned`.

        The scoring of the answers has locked the requests.
        """
        by_id = {record.feedback.completion_id: record for record in records}
        if not by_id:
            return
        cursor.execute(self._unknown, (as_listed(sorted(by_id)),))
        for completion_id, router_id, task, ended_at, kept in cursor.fetchall():
            record = by_id[completion_id]
            place = (router_id, record.model_id, task, ended_at)
            taught = learn_scores(Scores(*place), Scores(*place, {JUDGE: record.score}))
            added = extend_encoded(kept, learned.add(taught), ended_at)
            cursor.execute(self._note, (added, record.model_id, record.score, completion_id))
