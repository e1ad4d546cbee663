"""The overhead benchmark's servers, each pinned to a core, and the load generator."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.overhead.generator import Load, Measurement
from tests.support.processes import CHECKOUT, RunFailed, pin, running, wait_for_port

TARGET_CORE, LOAD_CORE = 0, 1


@contextmanager
def fake_provider(log: Path, port: int = 0) -> Iterator[int]:
    """The fast provider on the load's core; yields its port."""
    command = [sys.executable, "-m", "benchmarks.overhead.provider", "--port", str(port)]
    with running(command, log, core=LOAD_CORE) as process:
        yield wait_for_port(process, log)


def put_load_on(load: Load) -> Measurement:
    """Run the generator as a child process. Raises RunFailed if any answer was wrong."""
    command = [sys.executable, "-m", "benchmarks.overhead.generator"]
    given = json.dumps({name: getattr(load, name) for name in load.__slots__})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        pin(process.pid, LOAD_CORE)
        output, _ = process.communicate(given)
    if process.returncode:
        raise RunFailed(f"the load generator ended with status {process.returncode}")
    measured = Measurement(**json.loads(output))
    if measured.error_count:
        what = (
            f"{measured.error_count} errors among {measured.answers} answers of {load.host}:{load.port}{load.paths[0]}"
        )
        raise RunFailed("\n  ".join([what, *measured.errors]))
    return measured
