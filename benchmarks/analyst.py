"""What questions to the log take, and what they cost the completions that are answered meanwhile.

python -m benchmarks.analyst --rounds 60
python -m benchmarks.analyst --rounds 60 --form
python -m benchmarks.analyst --rounds 60 --pages 20

A gateway on loopback with a provider that answers at once, and a ledger of 20,000 decisions. Blocks of load without a
question and with one after the other take turns, in a random order within each round. Ratios are of the latencies of
all blocks together, with an interval of 95% (`benchmarks.pooled`). `null` compares every other quiet block with the
rest: what its interval leaves open, the run can't tell. With --form it is the dashboard's page What if that asks, its
curve included. With --pages, that many live pages of the dashboard are open
instead, which fetch themselves again as often as the gateway lets them.

The gateway has one core of its own, and the analyst that it starts inherits it: as on a machine with one core, or with
every core busy. Whoever asks shares the other core with the load, and works when the load does not.
With --apart the analyst is moved there, too: as on a machine with a core to spare, and the load elsewhere.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.overhead.generator import Load, Measurement
from benchmarks.overhead.servers import LOAD_CORE, fake_provider, put_load_on
from benchmarks.overhead.targets import ROUTER, gateway_process
from benchmarks.pooled import pooled, ratio
from storage.database.engine import open_database
from tests.support.drawn_log import fill
from tests.support.gateway import GatewayProcess
from tests.support.processes import RunFailed
from tests.support.records import RecordMaker, RunningWriter

COUNT = 20_000
STEP_SECONDS = 100.0
_COMPLETE = re.compile(r'id="answer"[^>]* data-done="1(\.0)?"')
PATHS = ("/", f"/routers/{ROUTER}", f"/routers/{ROUTER}?days=30", "/keys", "/health", f"/routers/{ROUTER}/decisions")


def fill_ledger(url: str, distinct: int) -> None:
    """Write the ledger's decisions, the last of them an hour ago."""
    with closing(open_database(url)) as database:
        running = RunningWriter(database)
        start = time.time() - STEP_SECONDS * COUNT - 3_600.0
        fill(running, RecordMaker(), COUNT, distinct, router_id=ROUTER, start=start, step=STEP_SECONDS)
        running.writer.close()


class Questions:
    """Asks questions until it is stopped, each by another one of `numbers`, and keeps what each took.

    The analyst gives an answer again for ten seconds: so no number may come twice.
    """

    def __init__(
        self, client: httpx.Client, numbers: Iterator[int], *, form: bool = False, pause_seconds: float = 0.0
    ) -> None:
        self._client = client
        self._form = form
        self._numbers = numbers
        self._number = 0
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self.milliseconds: list[float] = []

    def ask(self, what: str = "evaluation") -> float:
        """Ask another question until its answer is there; the milliseconds that it took."""
        self._number = next(self._numbers)
        asked = {"quality_usd": f"{0.001 + 1e-6 * self._number:.6f}", "days": "30"}
        path = f"/routers/{ROUTER}/what-if/answer" if self._form else f"/admin/routers/{ROUTER}/{what}"
        began = time.perf_counter()
        while True:
            answer = self._client.get(path, params=asked)
            if answer.status_code not in {200, 202}:
                raise RunFailed(answer.text)
            if answer.status_code == 200 and (not self._form or _COMPLETE.search(answer.text)):
                return 1e3 * (time.perf_counter() - began)
            time.sleep(0.5 if self._form else 0.02)

    def run(self) -> None:
        """Ask until stopped."""
        os.sched_setaffinity(0, {LOAD_CORE})
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while not self._stopping.wait(self._pause_seconds):
            self.milliseconds.append(self.ask())
            if self._number % 10 == 0 and not self._form:
                self.ask("frontier")

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()


class Pages:
    """Live pages of the dashboard: each has a stream of events, and after each fetch the pause that it was told."""

    def __init__(self, gateway: GatewayProcess, count: int) -> None:
        self._gateway = gateway
        self._count = count
        self._stopping = threading.Event()
        self.milliseconds: list[float] = []

    def run(self) -> None:
        """Keep them open until stopped."""
        asyncio.run(self._all_open())

    def stop(self) -> None:
        """Close them."""
        self._stopping.set()

    async def _all_open(self) -> None:
        async with httpx.AsyncClient(base_url=self._gateway.url, timeout=60.0) as client:
            signed_in = await client.post(
                "/sign-in", data={"key": self._gateway.key}, headers={"origin": self._gateway.url}
            )
            if signed_in.status_code != 303:
                raise RunFailed(signed_in.text)
            tasks = [asyncio.create_task(self._open(client, PATHS[each % len(PATHS)])) for each in range(self._count)]
            while not self._stopping.is_set():  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            failed = [each for each in ended if isinstance(each, Exception)]  # a cancellation is none
            if failed:
                raise failed[0]

    async def _open(self, client: httpx.AsyncClient, path: str) -> None:
        async with client.stream("GET", "/events") as events:
            seen: dict[str, str] = {}
            async for _ in events.aiter_lines():
                began = time.perf_counter()
                answer = await client.get(path, headers={"x-refresh": "1", **seen})
                if answer.status_code not in {200, 304}:
                    raise RunFailed(answer.text)
                self.milliseconds.append(1e3 * (time.perf_counter() - began))
                seen = {"if-none-match": answer.headers["etag"]}
                await asyncio.sleep(float(answer.headers["x-pause-seconds"]))


def measure(load: Load, beside: Questions | Pages | None) -> Measurement:
    """Put the load on, alone or beside what is measured."""
    if beside is None:
        return put_load_on(load)
    thread = threading.Thread(target=beside.run)
    thread.start()
    try:
        return put_load_on(load)
    finally:
        beside.stop()
        thread.join()


def move_children(pid: int, core: int) -> None:
    """Let the children of a process, such as its analyst, run on this core alone."""
    for child in psutil.Process(pid).children():
        for thread in child.threads():
            os.sched_setaffinity(thread.id, {core})


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analyst", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each block of load")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--distinct", type=int, default=1_000, help="choices that the decisions were drawn from")
    parser.add_argument("--form", action="store_true", help="ask as the dashboard's page does")
    parser.add_argument(
        "--pause", type=float, default=0.2, metavar="SECONDS", help="from an answer to the next question (default 0.2)"
    )
    parser.add_argument("--pages", type=int, default=0, help="live pages of the dashboard, in place of questions")
    parser.add_argument("--apart", action="store_true", help="the analyst on the load's core, not the gateway's")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds must be at least 2: quiet blocks are compared with each other")
    with tempfile.TemporaryDirectory(prefix="analyst-") as name, fake_provider(Path(name, "provider.log")) as port:
        folder = Path(name)
        with gateway_process(port, folder) as gateway:
            fill_ledger(f"sqlite:///{next(folder.glob('*.db'))}", options.distinct)
            with gateway.client() as client:
                print(json.dumps(report(gateway, client, options), indent=1))


def report(gateway: GatewayProcess, client: httpx.Client, options: argparse.Namespace) -> dict[str, Any]:
    """Ask alone, then measure completions in blocks."""
    load = Load(
        host="127.0.0.1",
        port=gateway.port,
        paths=[f"/{ROUTER}/chat/completions"],
        connections=1,
        rate=options.rate,
        seconds=options.seconds,
        key=gateway.key,
        pids=[gateway.pid],
        every_latency=True,
    )
    if options.form:
        client.post("/sign-in", data={"key": gateway.key}, headers={"origin": gateway.url})
    numbers = itertools.count(1)
    alone: dict[str, Any] = {} if options.pages else _alone(Questions(client, numbers, form=options.form))
    if options.apart:
        move_children(gateway.pid, LOAD_CORE)
    put_load_on(load)
    quiet: list[Measurement] = []
    busy: list[Measurement] = []
    meanwhile: list[float] = []
    rng = random.Random(options.rounds)
    for _ in range(options.rounds):
        asking = Questions(client, numbers, form=options.form, pause_seconds=options.pause)
        beside = Pages(gateway, options.pages) if options.pages else asking
        for of_busy in rng.sample((False, True), 2):
            (busy if of_busy else quiet).append(measure(load, beside if of_busy else None))
        meanwhile += beside.milliseconds
    blocks = {"without": [each.latencies_ms for each in quiet], "with": [each.latencies_ms for each in busy]}
    return {
        "decisions": COUNT,
        **alone,
        ("page_ms" if options.pages else "next_question_under_load_ms"): round(statistics.median(meanwhile)),
        "pages_or_questions": len(meanwhile),
        "completions": {name: sum(map(len, each)) for name, each in blocks.items()},
        "p99_ms": {name: round(pooled(each, 0.99), 2) for name, each in blocks.items()},
        "p99_ratio": asdict(ratio(blocks["with"], blocks["without"], 0.99)),
        "p99_ratio_null": asdict(ratio(blocks["without"][::2], blocks["without"][1::2], 0.99)),
        "p90_ratio": asdict(ratio(blocks["with"], blocks["without"], 0.9)),
        "p50_ratio": asdict(ratio(blocks["with"], blocks["without"], 0.5)),
        "machine_load": psutil.getloadavg()[0],
    }


def _alone(questions: Questions) -> dict[str, Any]:
    first_ms = questions.ask()
    next_ms = [questions.ask() for _ in range(20)]
    return {
        "first_question_ms": round(first_ms),
        "next_question_ms": {"median": round(statistics.median(next_ms)), "largest": round(max(next_ms))},
        "frontier_ms": round(questions.ask("frontier")),
    }


if __name__ == "__main__":
    main()
