"""The writer alone: rows a second and commit latency in groups, against a commit for each request."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from bandit.types import BudgetState
from benchmarks.ledger.audit import learn
from benchmarks.ledger.records import ROWS_OF_A_RECORD, make_records
from storage.database.engine import open_database
from storage.records import CompletionRecord
from storage.writing.transaction import Transactions
from storage.writing.writer import Committed, Writer

OUTSTANDING = (1, 32, 256)


@dataclass(frozen=True, slots=True)
class Figures:
    """One way of writing. A latency is the time from handing a record over to hearing that it is committed."""

    way: str
    records: int
    records_per_second: float
    rows_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_record: float  # of the thread that writes, SQLite's own work included


def measure(url: str, records: int, seed: int, tell: Callable[[str], None]) -> list[dict[str, object]]:
    """Every way in turn, on one ledger that grows."""
    made = make_records(seed)
    few = max(records // 10, 100)
    tell("a commit for each request")
    found = [one_by_one(url, list(islice(made, few)))]
    for count in OUTSTANDING:
        tell(f"groups, {count} waiting")
        found.append(in_groups(url, list(islice(made, few if count == 1 else records)), count))
    return [asdict(figures) for figures in found]


def one_by_one(url: str, records: Sequence[CompletionRecord]) -> Figures:
    """A transaction for each record, in the thread that wants it."""
    database = open_database(url)
    batches = Transactions(database, learn, _no_budget)
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
    """The writer, with so many records under way: what as many waiting requests make of it."""
    database = open_database(url)
    room = threading.Semaphore(outstanding)
    latencies: list[float] = []
    cpu: list[float] = []

    def deliver(committed: Committed) -> None:
        now = time.perf_counter()
        cpu.append(time.thread_time())
        latencies.extend(now - handed_over for handed_over, _ in committed.results if isinstance(handed_over, float))
        room.release(len(committed.results))

    writer = Writer(database, learn_scores=learn, pace=_no_budget, deliver=deliver)
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


def _no_budget(router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
    return None
