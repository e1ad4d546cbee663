"""Counts our functions that a plain completion and a chunk of a stream run: the same on every machine.

`python -m benchmarks.overhead.steps` lists them with how often each runs, `stream` those of a stream of 100 chunks. A
test compares the numbers with `steps.json`, so that no change makes a request dearer unseen.
"""

import http.client
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high
from types import FrameType
from urllib.parse import urlsplit

from benchmarks.overhead.script import CHUNKS, request_body
from benchmarks.overhead.servers import fake_provider
from benchmarks.overhead.targets import ROUTER, configuration
from gateway.flow import Flow
from gateway.routing import router
from tests.support.gateway import Running, run_gateway
from tests.support.processes import CHECKOUT

_PACKAGES = tuple(f"{CHECKOUT / name}/" for name in ("gateway", "bandit", "storage"))
_WARM_UP, _MEASURED = 40, 30

Function = tuple[str, str]
"""A function's file and name."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What one request runs on the event loop: calls (and continuations) of each of our functions."""

    calls: Counter[Function]

    @property
    def functions(self) -> int:
        """Calls of all functions."""
        return self.calls.total()

    @property
    def files(self) -> int:
        """Files that they stand in."""
        return len({file for file, _ in self.calls})


class _Profile:
    """Counts calls by thread, for threads that start after `threading.setprofile`."""

    def __init__(self) -> None:
        self.by_thread: dict[int, Counter[Function]] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_PACKAGES):
            counts = self.by_thread.setdefault(threading.get_ident(), Counter())
            counts[frame.f_code.co_filename, frame.f_code.co_qualname] += 1

    def of_the_event_loop(self) -> Counter[Function]:
        """The counts of the thread that serves requests, so far."""
        complete = (str(CHECKOUT / "gateway" / "flow.py"), Flow.complete.__qualname__)
        return next(counts.copy() for counts in self.by_thread.values() if complete in counts)


def count(*, stream: bool = False) -> Steps:
    """The steps of one request: of those measured, the one in the middle. A snapshot and a choice are there already."""
    profile, publish_seconds = _Profile(), router.PUBLISH_SECONDS
    with tempfile.TemporaryDirectory() as name, fake_provider(Path(name) / "provider.log") as port:
        router.PUBLISH_SECONDS = 1e9
        threading.setprofile(profile)
        try:
            with run_gateway(configuration(port, Path(name)), Path(name)) as running:
                found = _measure(running, profile, stream=stream)
        finally:
            threading.setprofile(None)
            router.PUBLISH_SECONDS = publish_seconds
    middle = median_high(steps.functions for steps in found)
    return next(steps for steps in found if steps.functions == middle)


def _measure(running: Running, profile: _Profile, *, stream: bool) -> list[Steps]:
    """The steps of each request. Some of a request may be counted with the next one, which has the same."""
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc)
    headers = {"content-type": "application/json", "authorization": f"Bearer {running.keys['routing']}"}
    found: list[Steps] = []
    before: Counter[Function] = Counter()
    for number in range(_WARM_UP + _MEASURED):
        body = request_body("dari/routing", stream=stream)
        connection.request("POST", f"/{ROUTER}/chat/completions", body=body, headers=headers)
        answer = connection.getresponse()
        assert answer.read()
        assert answer.status == 200
        now = profile.of_the_event_loop()
        if number >= _WARM_UP:
            found.append(Steps(now - before))
        before = now
    connection.close()
    return found


def main() -> None:
    """List the functions of a request, those that run most often first."""
    stream = "stream" in sys.argv[1:]
    steps = count(stream=stream)
    for (file, name), calls in steps.calls.most_common():
        print(f"{calls:5} {Path(file).relative_to(CHECKOUT)} {name}")
    what = f"a stream of {CHUNKS} chunks" if stream else "a plain completion"
    print(f"{what}: {steps.functions} calls of {len(steps.calls)} functions in {steps.files} files")


if __name__ == "__main__":
    main()
