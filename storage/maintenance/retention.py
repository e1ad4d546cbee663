"""Deletes old requests in batches, and adds their part of the fold to a checkpoint."""

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bandit.types import Epoch
from storage.database.addition import add_sums
from storage.database.engine import Database
from storage.deltas import DeltaSums
from storage.maintenance.fold import HalfLives, RouterHalfLife, current_scores, fold_outcomes, fold_scores
from storage.stores.arms import read_sums, select_sums
from storage.tables import arms, checkpoints, choices, decisions, refused_records, settings
from storage.writing.cache import CHOICE_SECONDS
from storage.writing.scores import LearnScores

DELETED_AT_ONCE = 200
_CLAIM = "retention"


class Retention:
    """Deletes old requests. Every method raises DatabaseUnavailable.

    A request goes with its attempts, content, scores and comments. Statistics, traffic and task names stay, and a
    rebuild comes to the same statistics as before.
    """

    def __init__(self, database: Database, learn_scores: LearnScores, half_life: RouterHalfLife) -> None:
        self._database = database
        self._learn_scores = learn_scores
        self._half_life = half_life
        self._add = add_sums(checkpoints, database.engine.dialect)
        self._insert = sqlite.insert if database.sqlite else postgresql.insert

    def claim(self, at: Epoch, seconds: float) -> bool:
        """Claim a round of deleting, unless a process has claimed one within the last `seconds`. Returns whether."""
        own, long_ago = settings.c.name == _CLAIM, settings.c.updated_at <= at - seconds
        with self._database.write() as connection:
            claimed = update(settings).where(own, long_ago | (settings.c.updated_at > at)).values(updated_at=at)
            if connection.execute(claimed).rowcount:
                return True
            row = {"name": _CLAIM, "value": "null", "updated_at": at}
            first = self._insert(settings).values(row).on_conflict_do_nothing().returning(settings.c.name)
            return connection.execute(first).first() is not None

    def delete_some(self, router_id: str, before: Epoch, count: int = DELETED_AT_ONCE) -> int:
        """Delete the oldest requests of a router that were decided before an instant, `count` at most.

        One short transaction; call it again, with a pause, while it returns `count`.
        """
        old = (decisions.c.router_id == router_id) & (decisions.c.at < before)
        columns = (decisions.c.completion_id, decisions.c.router_id, decisions.c.ended_at, decisions.c.learned)
        # Rows that another process locks, because it deletes or scores them, are skipped until the next round.
        oldest = select(*columns).where(old).order_by(decisions.c.at).limit(count).with_for_update(skip_locked=True)
        with self._database.write() as connection:
            rows = connection.execute(oldest).all()
            if rows:
                ids = [row.completion_id for row in rows]
                gathered = DeltaSums()
                half_life = self._half_lives(connection, router_id)
                fold_outcomes(rows, half_life, gathered)
                scored = connection.execute(current_scores().where(decisions.c.completion_id.in_(ids)))
                fold_scores(scored, self._learn_scores, gathered)
                self._add.write(connection.connection.cursor(), gathered.rows())
                connection.execute(delete(decisions).where(decisions.c.completion_id.in_(ids)))
            if len(rows) < count:
                self._delete_choices(connection, router_id, before, count)
                aside = (refused_records.c.router_id == router_id) & (refused_records.c.refused_at < before)
                connection.execute(delete(refused_records).where(aside))
        return len(rows)

    def _half_lives(self, connection: Connection, router_id: str) -> HalfLives:
        kept = read_sums(connection.execute(select_sums(arms).where(arms.c.router_id == router_id)))
        return HalfLives(self._half_life, kept.items())

    def _delete_choices(self, connection: Connection, router_id: str, before: Epoch, count: int) -> None:
        """Delete choices that no decision uses: a choice is shared only by decisions close to its first."""
        free = (choices.c.router_id == router_id) & (choices.c.at < before - CHOICE_SECONDS)
        some = select(choices.c.id).where(free).order_by(choices.c.at).limit(count)
        connection.execute(delete(choices).where(choices.c.id.in_(some)))
