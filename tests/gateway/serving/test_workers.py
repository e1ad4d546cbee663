"""The parent of several workers: it replaces the dead, gives up on the hopeless, and is outlived by nobody."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil

SECONDS = 20.0


def supervise(work: str, count: int = 2) -> "subprocess.Popen[str]":
    """A process that supervises `work`; it says what its workers print."""
    script = f"""
        import logging, signal, sys, time
        from gateway.serving.socket import ServerError
        from gateway.serving.workers import Supervisor
        logging.basicConfig()
        def work(first):
            {work}
        try:
            Supervisor({count}, work).run()
        except ServerError as error:
            sys.exit(f"gave up: {{error}}")
        print("ended", flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


WAITS = "print('first' if first else 'other', flush=True); signal.pause()"


def lines(process: "subprocess.Popen[str]", count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def test_a_dead_worker_is_replaced_and_all_end_with_the_parents_signal() -> None:
    with supervise(WAITS) as parent:
        assert sorted(lines(parent, 2)) == ["first", "other"]
        workers = psutil.Process(parent.pid).children()
        workers[0].kill()
        assert lines(parent, 1) == ["other"]
        everyone = psutil.Process(parent.pid).children()
        assert len(everyone) == 2
        parent.send_signal(signal.SIGINT)
        assert parent.wait(SECONDS) == 0
        assert not psutil.wait_procs(everyone, SECONDS)[1]


def test_workers_end_when_the_parent_is_killed() -> None:
    with supervise(WAITS) as parent:
        lines(parent, 2)
        everyone = psutil.Process(parent.pid).children()
        os.kill(parent.pid, signal.SIGKILL)
        assert not psutil.wait_procs(everyone, SECONDS)[1]


def test_workers_that_die_at_once_end_the_whole_with_the_reason() -> None:
    with supervise("raise ServerError('it is broken')") as parent:
        _, said = parent.communicate(timeout=SECONDS)
        assert parent.returncode == 1
        assert "it is broken" in said
        assert "gave up: the workers die as soon as they are started" in said
        assert "Traceback" not in said
