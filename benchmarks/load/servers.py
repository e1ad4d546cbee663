"""Servers started for a benchmark: each a process of its own, kept on a core, ended when it is not needed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.load.cpu import pin
from benchmarks.load.generator import Load, Measurement

TARGET_CORE, LOAD_CORE = 0, 1
START_SECONDS = 30.0
END_SECONDS = 20.0
_LOG_TAIL = 3_000


class BenchmarkFailed(Exception):
    """A benchmark cannot be trusted: a server did not start, or an answer was wrong."""


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, its output in a file; ended by SIGTERM, and by SIGKILL if it does not listen."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environ or {})},
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def server(
    command: Sequence[str], core: int, log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A running process that is kept on a core."""
    with running(command, log, environ) as process:
        pin(process.pid, core)
        yield process


@contextmanager
def fake_provider(log: Path, port: int = 0) -> Iterator[int]:
    """The fast provider on the load's core; gives its port."""
    command = [sys.executable, "-m", "benchmarks.load.provider", "--port", str(port)]
    with server(command, LOAD_CORE, log) as process:
        yield wait_for_port(process, log)


def wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that a server prints as its first line. Raises BenchmarkFailed."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        first, newline, _ = log.read_text().partition("\n")
        if newline and first.isdigit():
            return int(first)
        time.sleep(0.01)
    raise BenchmarkFailed(f"the provider did not say its port:\n{tail(log)}")


def wait_until_answered(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return at the first HTTP answer of any status. Raises BenchmarkFailed where the process ends or time is up."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.get(url, timeout=1.0, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    state = f"ended with status {process.returncode}" if process.returncode is not None else "does not answer"
    raise BenchmarkFailed(f"the server at {url} {state}:\n{tail(log)}")


def tail(log: Path) -> str:
    """The end of a server's output."""
    return log.read_text(errors="replace")[-_LOG_TAIL:] if log.exists() else ""


def put_load_on(load: Load) -> Measurement:
    """Run the generator in a process of its own. Raises BenchmarkFailed if any answer was wrong."""
    command = [sys.executable, "-m", "benchmarks.load.generator"]
    given = json.dumps({name: getattr(load, name) for name in load.__slots__})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        pin(process.pid, LOAD_CORE)
        output, _ = process.communicate(given)
    if process.returncode:
        raise BenchmarkFailed(f"the load generator ended with status {process.returncode}")
    measured = Measurement(**json.loads(output))
    if measured.error_count:
        what = f"{measured.error_count} errors among {measured.answers} answers of {load.host}:{load.port}{load.path}"
        raise BenchmarkFailed("\n  ".join([what, *measured.errors]))
    return measured
