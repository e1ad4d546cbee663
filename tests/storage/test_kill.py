"""Processes are killed while they record: nothing that was acknowledged is lost, and nothing counts twice."""

import subprocess
import sys

from sqlalchemy import func, select

from bandit.types import Signal
from storage.database.engine import Database
from storage.maintenance.rebuild import Rebuild
from storage.stores.arms import Arms
from storage.tables import attempts, decisions, scores
from tests.storage.dying import score_of
from tests.storage.making import half_life, learn_scores

PROCESSES = 2
ACKNOWLEDGED = (150, 900)


def test_killed_processes_lose_and_double_nothing_that_was_acknowledged(database: Database, ledger_url: str) -> None:
    """Two processes at a time on one database, each killed in the middle of its work; two rounds."""
    completions: set[str] = set()
    scored: set[str] = set()
    for most in ACKNOWLEDGED:
        for kind, completion_id in _kill_after(ledger_url, most):
            (completions if kind == "completion" else scored).add(completion_id)
        _compare(database, completions, scored)
    assert len(completions) > sum(ACKNOWLEDGED) / 3
    assert len(scored) > 50


def _kill_after(url: str, acknowledged: int) -> list[tuple[str, str]]:
    command = [sys.executable, "-m", "tests.storage.dying", url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    said: list[str] = []
    for process in processes:
        assert process.stdout is not None
        said += [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)
        process.wait(10)
        process.stdout.close()
    whole = [line.split() for line in said if line.endswith("\n")]
    return [(kind, completion_id) for kind, completion_id in whole]


def _compare(database: Database, completions: set[str], scored: set[str]) -> None:
    with database.read() as connection:
        kept = set(connection.execute(select(decisions.c.id)).scalars())
        judged = {row.decision_id: row.score for row in connection.execute(select(scores))}
        tried = connection.execute(select(func.count()).select_from(attempts)).scalar()
    assert completions <= kept
    assert scored <= judged.keys()
    assert all(score == score_of(completion_id) for completion_id, score in judged.items())
    assert tried == len(kept)
    outcomes = [sums.weight for key, sums in Arms(database).sums().items() if key.signal == Signal.OUTCOMES]
    assert outcomes == [len(kept)]
    assert Rebuild(database, learn_scores, half_life).check() == []
