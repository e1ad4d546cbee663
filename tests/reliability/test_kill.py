"""Processes are killed while they record: nothing that was acknowledged is lost, and nothing counts twice."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import func, select

from bandit.statistics import Signal
from storage.database.engine import Database
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.maintenance.fixed_sums_rebuild import FixedSumsRebuild
from storage.maintenance.rebuild import Rebuild
from storage.maintenance.usage import UsageRebuild
from storage.stores.arms import read_statistics
from storage.tables import attempts, decisions, scores
from tests.reliability.recorder_process import score_of
from tests.support.processes import CHECKOUT
from tests.support.records import NOW, half_life, learn_scores
from tests.support.waiting import wait_until

PROCESSES = 2
ACKNOWLEDGED = (150, 900)


def test_killed_processes_lose_and_double_nothing_that_was_acknowledged(
    database: Database, ledger_url: str, tmp_path: Path
) -> None:
    """Two processes at a time on one database, each killed in the middle of its work; two rounds."""
    completions: set[str] = set()
    scored: set[str] = set()
    for most in ACKNOWLEDGED:
        for kind, completion_id in _kill_after(ledger_url, most, tmp_path):
            (completions if kind == "completion" else scored).add(completion_id)
        _compare(database, completions, scored)
    assert len(completions) > sum(ACKNOWLEDGED) / 3
    assert len(scored) > 50


def _kill_after(url: str, acknowledged: int, folder: Path) -> list[tuple[str, str]]:
    command = [sys.executable, "-m", "tests.reliability.recorder_process", url]
    files = [folder / f"said-{number}" for number in range(PROCESSES)]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for file in files:
            with file.open("wb") as output:
                processes.append(subprocess.Popen(command, stdout=output, cwd=CHECKOUT))
        for file, process in zip(files, processes, strict=True):
            wait_until(lambda: file.read_bytes().count(b"\n") >= acknowledged, f"{acknowledged} acknowledgements", 60)  # noqa: B023
            process.kill()
    finally:
        for process in processes:
            process.kill()
            process.wait(60)
    whole = [line.split() for file in files for line in file.read_text().splitlines(keepends=True) if line[-1] == "\n"]
    return [(kind, completion_id) for kind, completion_id in whole]


def _compare(database: Database, completions: set[str], scored: set[str]) -> None:
    # One state: PostgreSQL may go on to commit what a killed process has sent.
    with database.snapshot() as connection:
        kept = set(connection.execute(select(decisions.c.completion_id)).scalars())
        judged = {row.completion_id: row.score for row in connection.execute(select(scores))}
        tried = connection.execute(select(func.count()).select_from(attempts)).scalar()
        learned = read_statistics(connection)
    assert completions <= kept
    assert scored <= judged.keys()
    assert all(score == score_of(completion_id) for completion_id, score in judged.items())
    assert tried == len(kept)
    outcomes = [sums.weight for key, sums in learned.items() if key.signal == Signal.OUTCOMES]
    assert outcomes == [len(kept)]
    assert Rebuild(database, learn_scores, half_life).check() == []
    assert ActivityRebuild(database, lambda: NOW).check() == []
    assert FixedSumsRebuild(database).check() == []
    assert UsageRebuild(database).check() == []
