"""Servers in child processes: their output goes to a file, and its end is told if they fail."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_until

CHECKOUT = Path(__file__).parents[2]
"""Working directory of `python -m tests.…` and `python -m benchmarks.…`."""
START_SECONDS = 60.0
END_SECONDS = 60.0
_TAIL_CHARACTERS = 3_000


class RunFailed(Exception):
    """The run proves nothing: a server did not start, or an answer was wrong."""


def can_pin() -> bool:
    """Whether processes can be pinned to cores here, and there are two."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) >= 2


def pin(pid: int, core: int) -> None:
    """Pin a process to the `core`-th of the cores that we may use; does nothing if that is not possible."""
    if can_pin():
        os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(0))[core]})


def spawn(
    command: Sequence[str],
    log: Path,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path = CHECKOUT,
    core: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a folder, on a core if one is given; its output is appended to the log."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environ,
        )
    if core is not None:
        pin(process.pid, core)  # now: threads inherit it when they start
    return process


def end(process: subprocess.Popen[bytes]) -> int:
    """Terminate a process, and kill it if it does not end; its exit status."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def running(command: Sequence[str], log: Path, *, core: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this checkout, ended with the context."""
    process = spawn(command, log, core=core)
    try:
        yield process
    finally:
        end(process)


def wait_for_output(process: subprocess.Popen[bytes], log: Path, pattern: str, start: int = 0) -> re.Match[str]:
    """The first match of a multi-line pattern in the log, from byte `start` on. Raises RunFailed."""
    wanted = re.compile(pattern, re.MULTILINE)

    def find() -> re.Match[str] | None:
        return wanted.search(log.read_bytes()[start:].decode(errors="replace"))

    try:
        wait_until(lambda: process.poll() is not None or find() is not None, f"output like {pattern!r}", START_SECONDS)
    except AssertionError as error:
        raise RunFailed(f"{error}\n{tail(log)}") from None
    found = find()
    if found is None:
        raise RunFailed(f"the process ended with status {process.returncode}:\n{tail(log)}")
    return found


def wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that a server prints as its first line. Raises RunFailed."""
    return int(wait_for_output(process, log, r"\A(\d+)$")[1])


def tail(log: Path) -> str:
    """The end of a server's output."""
    return log.read_text(errors="replace")[-_TAIL_CHARACTERS:] if log.exists() else ""
