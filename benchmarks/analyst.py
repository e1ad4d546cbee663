"""What questions to the log take, and what they cost the completions that are answered meanwhile.

python -m benchmarks.analyst --rounds 10

A gateway on loopback with a provider that answers at once, and a ledger of 20,000 decisions. Seconds of load without a
question and with one after the other take turns, so that a ratio compares neighbours in time.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx

from benchmarks.overhead.generator import Load, Measurement
from benchmarks.overhead.servers import fake_provider, put_load_on
from benchmarks.overhead.targets import ROUTER, gateway_process
from storage.database.engine import open_database
from tests.support.drawn_log import fill
from tests.support.processes import RunFailed
from tests.support.records import RecordMaker, RunningWriter

COUNT = 20_000
STEP_SECONDS = 100.0


def fill_ledger(url: str, distinct: int) -> None:
    """Write the ledger's decisions, the last of them an hour ago."""
    with closing(open_database(url)) as database:
        running = RunningWriter(database)
        start = time.time() - STEP_SECONDS * COUNT - 3_600.0
        fill(running, RecordMaker(), COUNT, distinct, router_id=ROUTER, start=start, step=STEP_SECONDS)
        running.writer.close()


class Questions:
    """Asks questions until it is stopped, each another one, and keeps what each took."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._number = 0
        self._stopping = threading.Event()
        self.milliseconds: list[float] = []

    def ask(self, what: str = "evaluation") -> float:
        """Ask another question until its answer is there; the milliseconds that it took."""
        self._number += 1
        asked = {"quality_usd": f"{0.001 + 1e-6 * self._number:.6f}", "days": "30"}
        began = time.perf_counter()
        while True:
            answer = self._client.get(f"/admin/routers/{ROUTER}/{what}", params=asked)
            if answer.status_code == 200:
                return 1e3 * (time.perf_counter() - began)
            if answer.status_code != 202:
                raise RunFailed(answer.text)
            time.sleep(0.02)

    def run(self) -> None:
        """Ask until stopped."""
        while not self._stopping.is_set():
            self.milliseconds.append(self.ask())
            if self._number % 10 == 0:
                self.ask("frontier")

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()


def measure(load: Load, client: httpx.Client, *, asking: bool) -> tuple[Measurement, list[float]]:
    """Put the load on, with or without questions."""
    questions = Questions(client)
    thread = threading.Thread(target=questions.run)
    if asking:
        thread.start()
    try:
        return put_load_on(load), questions.milliseconds
    finally:
        questions.stop()
        if asking:
            thread.join()


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analyst", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--distinct", type=int, default=1_000, help="choices that the decisions were drawn from")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="analyst-") as name, fake_provider(Path(name, "provider.log")) as port:
        folder = Path(name)
        with gateway_process(port, folder) as gateway:
            fill_ledger(f"sqlite:///{next(folder.glob('*.db'))}", options.distinct)
            with gateway.client() as client:
                questions = Questions(client)
                first_ms = questions.ask()
                next_ms = [questions.ask() for _ in range(20)]
                frontier_ms = questions.ask("frontier")
                load = Load(
                    host="127.0.0.1",
                    port=gateway.port,
                    paths=[f"/{ROUTER}/chat/completions"],
                    connections=1,
                    rate=options.rate,
                    seconds=options.seconds,
                    key=gateway.key,
                    pids=[gateway.pid],
                )
                put_load_on(load)
                pairs = []
                meanwhile: list[float] = []
                for number in range(options.rounds):
                    order = (False, True) if number % 2 == 0 else (True, False)
                    found = {asking: measure(load, client, asking=asking) for asking in order}
                    meanwhile += found[True][1]
                    pairs.append((found[False][0], found[True][0]))
    report = {
        "decisions": COUNT,
        "first_question_ms": round(first_ms),
        "next_question_ms": {"median": round(statistics.median(next_ms)), "largest": round(max(next_ms))},
        "frontier_ms": round(frontier_ms),
        "next_question_under_load_ms": round(statistics.median(meanwhile)),
        "p99_ms": {"without": _median(pairs, 0), "with": _median(pairs, 1)},
        "p99_ratio": round(statistics.median(each[1].p99_ms / each[0].p99_ms for each in pairs), 3),
        "answers_ratio": round(statistics.median(each[1].answers / each[0].answers for each in pairs), 3),
    }
    print(json.dumps(report, indent=1))


def _median(pairs: list[tuple[Measurement, Measurement]], which: int) -> float:
    return round(statistics.median(each[which].p99_ms for each in pairs), 2)


if __name__ == "__main__":
    main()
