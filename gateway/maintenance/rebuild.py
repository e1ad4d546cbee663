"""Rebuilds statistics with the routers' half-lives, as after a half-life was changed; their laws for imports."""

from collections.abc import Mapping

from bandit.learning import half_life_of, learn_scores
from bandit.statistics import Deltas, Signal
from bandit.types import Epoch, HalfLives, Json, Scores
from gateway.evidence.rows import moments_of
from gateway.settings.router_options import feedback_scale_of, half_lives_of
from storage.database.engine import Database
from storage.maintenance.eval_rebuild import EvalRebuild
from storage.maintenance.fold import RouterHalfLife
from storage.maintenance.rebuild import Rebuild
from storage.maintenance.retention import Retention
from storage.stores.routers import Routers, lock_settings
from storage.writing.scores import LearnScores


def rebuild_of(database: Database) -> Rebuild:
    """Make the rebuild of this database with the routers' present half-lives. Raises LedgerError."""
    return Rebuild(database, *_laws_of(database))


def eval_rebuild_of(database: Database) -> EvalRebuild:
    """Make the rebuild of the evaluations' sums."""
    return EvalRebuild(database, moments_of)


def retention_of(database: Database) -> Retention:
    """Make the retention of this database: it reads the routers' half-lives when it needs them."""
    return Retention(database, lambda connection, router_ids: _laws(lock_settings(connection, router_ids)))


def scoring_of(database: Database) -> LearnScores:
    """How a changed score changes the statistics, with the routers' present half-lives. Raises LedgerError."""
    return _laws_of(database)[0]


def scales_of(database: Database) -> dict[str, tuple[float, float]]:
    """The worst and the best score of each router's feedback. Raises LedgerError."""
    return {record.id: feedback_scale_of(record.settings) for record in Routers(database).all()}


def _laws_of(database: Database) -> tuple[LearnScores, RouterHalfLife]:
    routers = Routers(database)
    return _laws({record.id: record.settings for record in (*routers.all(), *routers.deleted())})


def _laws(settings: Mapping[str, Mapping[str, Json]]) -> tuple[LearnScores, RouterHalfLife]:
    known = {router_id: own for router_id, each in settings.items() if (own := half_lives_of(each)) is not None}

    def half_life(router_id: str, signal: Signal) -> float | None:
        half_lives = known.get(router_id)
        return None if half_lives is None else half_life_of(half_lives, signal)

    def learned(before: Scores, after: Scores) -> Deltas:
        return learn_scores(before, after, known.get(before.router_id, HalfLives()).quality)

    return learned, half_life


def rebuild_due(database: Database, now: Epoch) -> list[str]:
    """Rebuild what a process that died has left to be rebuilt. Returns the routers. Raises DatabaseUnavailable."""
    return rebuild_of(database).run_due(now)
