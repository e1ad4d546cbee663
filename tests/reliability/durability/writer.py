"""Rows per second and commit latency of the ledger's writer, compared with one commit per request."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from storage.database.engine import open_database
from storage.records import CompletionRecord
from storage.writing.transaction import Transactions
from storage.writing.writer import Committed, Writer
from tests.support.records import learn_scores, pace
from tests.support.traffic import ROWS_OF_A_RECORD, make_records

OUTSTANDING = (1, 32, 256)


@dataclass(frozen=True, slots=True)
class Figures:
    """One way of writing. A latency lasts from submitting a record until its commit is delivered."""

    way: str
    records: int
    records_per_second: float
    rows_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_record: float  # of the thread that writes, SQLite's own work included


def measure(url: str, records: int, seed: int, tell: Callable[[str], None]) -> list[dict[str, object]]:
    """Measure each way in turn, on one growing ledger."""
    made = make_records(seed, time.time() - 86_400.0)  # a record from the future would be moved back first
    few = max(records // 10, 100)
    tell("a commit for each request")
    found = [one_by_one(url, list(islice(made, few)))]
    for count in OUTSTANDING:
        tell(f"groups, {count} waiting")
        found.append(in_groups(url, list(islice(made, few if count == 1 else records)), count))
    return [asdict(figures) for figures in found]


def one_by_one(url: str, records: Sequence[CompletionRecord]) -> Figures:
    """A transaction for each record, in the calling thread."""
    database = open_database(url)
    batches = Transactions(database, learn_scores, pace)
    latencies: list[float] = []
    batches.write(records[:1])
    cpu = time.thread_time()
    for record in records[1:]:
        before = time.perf_counter()
        batches.write([record])
        latencies.append(time.perf_counter() - before)
    figures = _figures("a commit for each request", latencies, sum(latencies), time.thread_time() - cpu)
    batches.close()
    database.close()
    return figures


def in_groups(url: str, records: Sequence[CompletionRecord], outstanding: int) -> Figures:
    """The writer with this many records outstanding, as if as many requests waited."""
    database = open_database(url)
    room = threading.Semaphore(outstanding)
    latencies: list[float] = []
    cpu: list[float] = []

    def deliver(committed: Committed) -> None:
        now = time.perf_counter()
        cpu.append(time.thread_time())
        latencies.extend(now - handed_over for handed_over, _ in committed.results if isinstance(handed_over, float))
        room.release(len(committed.results))

    writer = Writer(database, learn_scores=learn_scores, pace=pace, deliver=deliver)
    writer.start()
    started = time.perf_counter()
    for record in records:
        room.acquire()
        writer.submit(record, time.perf_counter())
    writer.close()
    seconds = time.perf_counter() - started
    database.close()
    return _figures(f"groups, {outstanding} waiting", latencies, seconds, cpu[-1] - cpu[0])


def _figures(way: str, latencies: list[float], seconds: float, cpu_seconds: float) -> Figures:
    count = len(latencies)
    ordered = sorted(latencies)
    return Figures(
        way=way,
        records=count,
        records_per_second=round(count / seconds),
        rows_per_second=round(ROWS_OF_A_RECORD * count / seconds),
        p50_ms=round(ordered[count // 2] * 1e3, 3),
        p99_ms=round(ordered[count * 99 // 100] * 1e3, 3),
        cpu_us_per_record=round(cpu_seconds / count * 1e6, 1),
    )
