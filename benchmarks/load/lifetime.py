"""What a gateway takes over its life: how soon it answers, how long `--help` takes, what memory it grows to."""

import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.load.cpu import resident_mb
from benchmarks.load.script import request_body
from benchmarks.load.servers import START_SECONDS, TARGET_CORE, BenchmarkFailed, free_port, put_load_on, server, tail
from benchmarks.load.targets import COMMAND_LINE, ROUTER, Target, write_configuration

MEMORY_STEP = 20_000
MEMORY_REQUESTS = 100_000
_REPEATS = 3


def memory(target: Target, requests: int, step: int, done: Callable[[int], None]) -> dict[int, float]:
    """Number of requests → resident MB, each `step` requests; `done` hears how many were answered."""
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
        subprocess.run([sys.executable, *COMMAND_LINE, "--help"], check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def _start(home: Path, provider_port: int) -> float:
    port, log, key = free_port(), home / "serve.log", secrets.token_hex(24)
    configuration = write_configuration(home, provider_port, port, "commit")
    url = f"http://127.0.0.1:{port}/{ROUTER}/chat/completions"
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    command = [sys.executable, *COMMAND_LINE, "serve", "--config", str(configuration)]
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        began = time.perf_counter()
        with server(command, TARGET_CORE, log, {"BANDIT_GATEWAY_ADMIN_KEY": key}) as process:
            while time.perf_counter() - began < START_SECONDS and process.poll() is None:
                try:
                    answer = client.post(url, content=request_body("dari/routing", stream=False), headers=headers)
                except httpx.TransportError:
                    time.sleep(0.005)
                    continue
                if answer.status_code == 200:
                    return time.perf_counter() - began
                raise BenchmarkFailed(f"the first answer is {answer.status_code}: {answer.text[:300]}\n{tail(log)}")
    raise BenchmarkFailed(f"the gateway did not answer within {START_SECONDS:.0f} s:\n{tail(log)}")
