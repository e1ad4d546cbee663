"""What a gateway takes over its life: seconds until it answers, seconds of `--help`, memory as it serves."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.overhead.cpu import resident_mb
from benchmarks.overhead.script import request_body
from benchmarks.overhead.servers import put_load_on
from benchmarks.overhead.targets import ROUTER, Target, gateway_process
from tests.support.gateway import COMMAND_LINE
from tests.support.processes import RunFailed, tail

MEMORY_STEP = 20_000
MEMORY_REQUESTS = 100_000
_REPEATS = 3


def memory(target: Target, requests: int, step: int, done: Callable[[int], None]) -> dict[int, float]:
    """Number of requests → resident MB, each `step` requests; `done` is called with the number of answers."""
    found = {0: resident_mb(target.pids)}
    for count in range(step, requests + 1, step):
        put_load_on(target.load(32, requests=step))
        found[count] = resident_mb(target.pids)
        done(count)
    return found


def start_seconds(directory: Path, provider_port: int) -> dict[str, float]:
    """Median seconds from the command to the first answered completion: with a new database, and with a known one."""
    fresh, again = [], []
    for number in range(_REPEATS):
        home = directory / f"start-{number}"
        home.mkdir()
        fresh.append(_start(home, provider_port))
        again.append(_start(home, provider_port))
    return {"fresh": statistics.median(fresh), "again": statistics.median(again)}


def help_seconds() -> float:
    """Median seconds of `bandit-gateway --help`, the interpreter's own start included."""
    found = []
    for _ in range(2 * _REPEATS + 1):
        began = time.perf_counter()
        environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # as in `gateway_process`
        subprocess.run([sys.executable, *COMMAND_LINE, "--help"], check=True, stdout=subprocess.DEVNULL, env=environ)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def _start(home: Path, provider_port: int) -> float:
    process = gateway_process(provider_port, home)
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        stack.push(process)
        process.start(ready=False)  # completions are answered before all else is
        with process.client() as client:
            answer = client.post(
                f"/{ROUTER}/chat/completions",
                content=request_body("dari/routing", stream=False),
                headers={"content-type": "application/json"},
            )
            if answer.status_code != 200:
                raise RunFailed(f"the first answer is {answer.status_code}: {answer.text[:300]}\n{tail(process.log)}")
            return time.perf_counter() - began
