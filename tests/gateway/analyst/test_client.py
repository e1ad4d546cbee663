"""The analyst is one process, started at the first question, and started again if it is killed."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec
import psutil
import pytest

from bandit.ope.targets import Proposal
from bandit.types import Epoch
from gateway.analyst.client import Analyst
from gateway.analyst.messages import Kind, Progress
from gateway.analyst.questions import Question
from gateway.errors import Unavailable
from tests.support.databases import Opening
from tests.support.drawn_log import MODELS, fill
from tests.support.records import RecordMaker, RunningWriter, later

COUNT = 400
QUESTION = Question("rtr_a", 1.0, Proposal("fixed:m/sage"))
LIMIT_SECONDS = 60.0


def analysts(but: Sequence[psutil.Process] = ()) -> list[psutil.Process]:
    """The analysts' processes that this one has started and that run, but for those."""
    running = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    return [each for each in running if is_analyst(each) and each not in but]


def is_analyst(process: psutil.Process) -> bool:
    return "gateway.analyst" in process.cmdline()


async def answer_of(analyst: Analyst, kind: Kind = Kind.EVALUATION, points: int = 0) -> dict[str, object]:
    """The answer, asked for until it is there."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            told = await analyst.ask(kind, QUESTION, Epoch(later(COUNT + 100)), points)
            if not isinstance(told, Progress):
                found: dict[str, object] = msgspec.json.decode(told)
                return found
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.02)
    assert condition(), what


async def test_one_process_serves_all_workers_dies_with_its_owner_and_is_started_again_when_killed(
    ledger_url: str, opening: Opening
) -> None:
    database = opening(ledger_url)
    running = RunningWriter(database)
    fill(running, RecordMaker(), COUNT, 20)
    running.writer.close()
    name = secrets.token_hex(8)
    others = analysts()  # those of gateways that other tests keep running
    async with aclosing(Analyst(name, ledger_url, "normal", None)) as first:
        assert analysts(others) == []
        async with aclosing(Analyst(name, ledger_url, "normal", None)) as second:
            answer, known = await asyncio.gather(answer_of(first), answer_of(second, Kind.FRONTIER, 3))
            assert answer["sampled"] == {"kind": "all", "decisions": COUNT, "of": COUNT, "since": later(0)}
            assert isinstance(known["fixed"], list)
            assert [each["model"] for each in known["fixed"]] == list(MODELS)
            await until(lambda: len(analysts(others)) == 1, "one of two that were started is left")
            (process,) = analysts(others)
            assert process.nice() == min(19, os.nice(0) + 10)
            # Of our session, so that it is weighed against us; its work waits for everybody.
            assert (os.getsid(process.pid), os.getpgid(process.pid)) == (os.getsid(0), process.pid)
            if sys.platform == "linux":
                policies = {os.sched_getscheduler(each.id) for each in process.threads()}
                assert policies == {os.SCHED_OTHER, os.SCHED_IDLE}

            os.kill(process.pid, signal.SIGSTOP)
            asking = asyncio.create_task(second.ask(Kind.EVALUATION, QUESTION, Epoch(later(COUNT + 101))))
            await asyncio.sleep(0.05)
            process.kill()
            with pytest.raises(Unavailable, match="started anew"):
                await asking
            assert (await answer_of(second))["sampled"] == answer["sampled"]
    await until(lambda: analysts(others) == [], "the analyst has ended with its owner")


async def test_a_database_that_is_away_and_a_process_that_does_not_start_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with aclosing(Analyst(secrets.token_hex(8), f"sqlite:///{tmp_path}", "normal", None)) as analyst:
        with pytest.raises(Unavailable, match=r"did not start: its exit status was 1|the database"):
            await answer_of(analyst)
    monkeypatch.setattr("tempfile.gettempdir", _nowhere)
    async with aclosing(Analyst(secrets.token_hex(8), "", "normal", None)) as analyst:
        with pytest.raises(Unavailable, match="needs a temporary folder"):
            await answer_of(analyst)


def _nowhere() -> str:
    raise FileNotFoundError("no usable temporary directory")


def test_it_gives_way_before_its_imports() -> None:
    program = (
        "import os, runpy, sys; os.nice = lambda _: sys.exit('numpy' in sys.modules); "
        "runpy.run_module('gateway.analyst', run_name='__main__')"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
