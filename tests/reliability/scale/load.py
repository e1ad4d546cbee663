"""A steady load of the ledger: several writers record requests and scores at a given rate, as replicas do."""

import contextlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from sqlalchemy import text

from storage.database.engine import Database, open_database
from storage.errors import WriterFull
from storage.records import CompletionRecord, FeedbackRecord
from storage.writing.writer import Committed, Writer
from tests.reliability.scale.requests import SCORED
from tests.support.records import learn_scores, pace
from tests.support.traffic import make_records


def carry(
    url: str, data: Path, rate: float, replicas: int, seconds: float, tell: Callable[[str], None]
) -> dict[str, object]:
    """Write `rate` requests a second in all for some seconds; latency, and what the PostgreSQL in `data` spends."""
    database = open_database(url)
    before, cpu_before, began = wal_bytes(database), server_cpu_seconds(data), time.monotonic()
    tell(f"{rate:,.0f} requests a second by {replicas} writers")
    with ThreadPoolExecutor(replicas) as pool:
        written = list(pool.map(lambda seed: _write(url, rate / replicas, seconds, seed), range(replicas)))
    lasted = time.monotonic() - began
    cpu_seconds, wal = server_cpu_seconds(data) - cpu_before, wal_bytes(database) - before
    latencies = sorted(latency for part, _ in written for latency in part)
    database.close()
    count = len(latencies)
    return {
        "asked_per_second": rate,
        "replicas": replicas,
        "requests": count,
        "refused": sum(refused for _, refused in written),
        "written_per_second": round(count / lasted, 1),
        "p50_ms": round(latencies[count // 2] * 1e3, 1),
        "p99_ms": round(latencies[count * 99 // 100] * 1e3, 1),
        "server_cpu_share_of_a_core": round(cpu_seconds / lasted, 2),
        "server_cpu_us_per_request": round(cpu_seconds / count * 1e6),
        "wal_bytes_per_request": round(wal / count),
    }


def _write(url: str, rate: float, seconds: float, seed: int) -> tuple[list[float], int]:
    """Commit latencies of one writer's requests, of which a tenth is scored; and how many its full queue refused."""
    database, latencies, refused = open_database(url, migrate=False), list[float](), 0

    def deliver(committed: Committed) -> None:
        now = time.perf_counter()
        latencies.extend(now - handed_over for handed_over, _ in committed.results if isinstance(handed_over, float))

    writer = Writer(database, learn_scores=learn_scores, pace=pace, deliver=deliver)
    writer.start()
    chance, records = random.Random(seed), make_records(seed, time.time())
    began, due = time.monotonic(), 0.0
    while due < seconds:
        time.sleep(max(0.0, began + due - time.monotonic()))
        record = next(records)
        try:
            writer.submit(record, time.perf_counter())
            if chance.random() < SCORED:
                writer.submit((_score(record, chance.random()),), None)
        except WriterFull:
            refused += 1
        due += chance.expovariate(rate)
    writer.close()
    database.close()
    return latencies, refused


def _score(record: CompletionRecord, score: float) -> FeedbackRecord:
    decision = record.decision
    return FeedbackRecord(
        id=decision.completion_id.replace("req_", "fbk_"),
        completion_id=decision.completion_id,
        key_id=decision.key_id,
        any_key=False,
        routers=None,
        source="user",
        score=score,
        at=record.outcome.ended_at,
    )


def wal_bytes(database: Database) -> int:
    """What PostgreSQL has written to its log so far."""
    with database.read() as connection:
        return int(connection.execute(text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")).scalar_one())


def server_cpu_seconds(data: Path) -> float:
    """Processor time of all processes of the PostgreSQL whose data is there."""
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
    times = postmaster.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for process in postmaster.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # one that ends is counted with the postmaster's children
            own = process.cpu_times()
            total += own.user + own.system
    return float(total)
