"""Samples a server's main thread: where its CPU time goes.

`python -m benchmarks.overhead.sampling OUT.json serve --config …` is `bandit-gateway serve …` with a sampler in it:
SIGUSR1 starts to count, SIGUSR2 stops and writes OUT.json. A CPU timer (ITIMER_PROF, 1 kHz) interrupts the main
thread; each sample weighs the CPU time that this thread took since the sample before, so that neither waiting nor
the other threads' work counts as its own. What C code does (uvloop's reading and writing, msgspec, sqlite) is charged
to the Python function that is on top when it returns. Other threads are reported whole.
"""

import json
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

import psutil

from gateway.cli import main as serve

INTERVAL_SECONDS = 0.001
_DEPTH = 40


class Sampler:
    """Counts main-thread CPU seconds by function, by line and by stack, between `start` and `stop`."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._own: defaultdict[str, float] = defaultdict(float)
        self._lines: defaultdict[str, float] = defaultdict(float)
        self._within: defaultdict[str, float] = defaultdict(float)
        self._last = 0.0
        self._threads: dict[int, float] = {}

    def install(self) -> None:
        """Handle the two signals. Only in the main thread."""
        signal.signal(signal.SIGUSR1, self.start)
        signal.signal(signal.SIGUSR2, self.stop)
        signal.signal(signal.SIGPROF, self._sample)

    def start(self, signum: int, frame: FrameType | None) -> None:
        """Start counting."""
        self._last = time.thread_time()
        self._threads = _thread_seconds()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop counting, and write the counts."""
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        threads: defaultdict[str, float] = defaultdict(float)
        for number, seconds in _thread_seconds().items():
            threads[names.get(number, "not Python's")] += seconds - self._threads.get(number, 0.0)
        self._out.write_text(
            json.dumps({"threads": threads, "own": self._own, "lines": self._lines, "within": self._within})
        )

    def _sample(self, signum: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        weight, self._last = now - self._last, now
        if frame is None:
            return
        self._own[_name(frame)] += weight
        self._lines[f"{_name(frame)}:{frame.f_lineno}"] += weight
        seen: set[str] = set()
        depth = 0
        walker: FrameType | None = frame
        while walker is not None and depth < _DEPTH:
            seen.add(_name(walker))
            walker = walker.f_back
            depth += 1
        for name in seen:
            self._within[name] += weight


def _name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(Path(code.co_filename).parts[-3:])} {code.co_qualname}"


def _thread_seconds() -> dict[int, float]:
    return {thread.id: thread.user_time + thread.system_time for thread in psutil.Process().threads()}


def main() -> None:
    """Install the sampler and become `bandit-gateway`."""
    Sampler(Path(sys.argv[1])).install()
    sys.argv = ["bandit-gateway", *sys.argv[2:]]
    serve()


if __name__ == "__main__":
    main()
