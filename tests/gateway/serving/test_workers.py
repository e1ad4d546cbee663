"""The parent of several workers: it replaces the dead, gives up on the hopeless, and is outlived by nobody."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import wait_until

SECONDS = 60.0


@dataclass(frozen=True)
class Supervised:
    """A process that supervises workers, and the file that all of them print to."""

    parent: "subprocess.Popen[bytes]"
    output: Path

    def workers(self) -> list[psutil.Process]:
        found: list[psutil.Process] = psutil.Process(self.parent.pid).children()
        return found

    def lines(self, count: int) -> list[str]:
        """What was printed, once it is so many lines."""
        wait_until(lambda: self.output.read_text().count("\n") >= count, f"{count} lines are printed", SECONDS)
        return self.output.read_text().splitlines()


@contextmanager
def supervise(work: str, folder: Path, count: int = 2, before: str = "") -> Iterator[Supervised]:
    """A process that runs `before` and supervises `work`. It is killed at the end, and its workers with it."""
    script = f"""
        import logging, os, signal, sys, time
        from gateway.serving.socket import ServerError
        from gateway.serving.workers import Supervisor
        logging.basicConfig()
        {before}
        def work(first):
            {work}
        try:
            Supervisor({count}, work).run()
        except ServerError as error:
            sys.exit(f"gave up: {{error}}")
    """
    output = folder / "output"
    with output.open("wb") as file:
        parent = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=file, stderr=file, cwd=Path(__file__).parents[3]
        )
    try:
        yield Supervised(parent, output)
    finally:
        if parent.poll() is None:
            for process in (psutil.Process(parent.pid), *psutil.Process(parent.pid).children()):
                process.kill()
        parent.wait(SECONDS)


# One write a line: two processes' prints may come out as one line.
WAITS = r"os.write(1, b'first\n' if first else b'other\n'); signal.pause()"


TELLS_SIGNALS = """
            told = []
            for sig in (signal.SIGTERM, signal.SIGINT):
                signal.signal(sig, lambda number, frame: told.append(number))
            os.write(1, b"ready\\n")
            while len(told) < 2:
                time.sleep(0.01)
"""


TELLS_WHAT_IT_SENDS = """
        kill = os.kill
        os.kill = lambda pid, sig: (kill(pid, sig), os.write(1, b"sent\\n"))
"""


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_did_not_run_between_two_signals_gets_both(tmp_path: Path, asked: signal.Signals) -> None:
    with supervise(TELLS_SIGNALS, tmp_path, before=TELLS_WHAT_IT_SENDS) as supervised:
        supervised.lines(2)
        workers = supervised.workers()
        for worker in workers:
            worker.suspend()
        for number in (1, 2):
            supervised.parent.send_signal(asked)
            supervised.lines(2 + 2 * number)
        for worker in workers:
            worker.resume()
        assert supervised.parent.wait(SECONDS) == 0


def test_a_dead_worker_is_replaced_and_all_end_with_the_parents_signal(tmp_path: Path) -> None:
    with supervise(WAITS, tmp_path) as supervised:
        assert sorted(supervised.lines(2)) == ["first", "other"]
        killed = supervised.workers()[0]
        killed.kill()
        wait_until(
            lambda: len(workers := supervised.workers()) == 2 and killed not in workers, "the dead worker is replaced"
        )
        assert [line for line in supervised.lines(4) if line in {"first", "other"}][2:] == ["other"]
        everyone = supervised.workers()
        supervised.parent.send_signal(signal.SIGINT)
        assert supervised.parent.wait(SECONDS) == 0
        assert not psutil.wait_procs(everyone, SECONDS)[1]


def test_workers_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    with supervise(WAITS, tmp_path) as supervised:
        supervised.lines(2)
        everyone = supervised.workers()
        os.kill(supervised.parent.pid, signal.SIGKILL)
        assert not psutil.wait_procs(everyone, SECONDS)[1]


def test_workers_that_die_at_once_end_the_whole_with_the_reason(tmp_path: Path) -> None:
    with supervise("raise ServerError('it is broken')", tmp_path) as supervised:
        assert supervised.parent.wait(SECONDS) == 1
        said = supervised.output.read_text()
        assert "it is broken" in said
        assert "gave up: the workers die as soon as they are started" in said
        assert "Traceback" not in said
