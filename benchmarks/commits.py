"""How long a commit of the writer takes in the worst case, beside what the disk and the machine allow.

python -m benchmarks.commits --transactions 3000 --rounds 3

Transactions of a few requests each, some milliseconds apart, into a new SQLite database in the folder, in turn with

  without checkpoints   the same, but nothing is copied from the log to the file: what a checkpoint costs
  append                as many bytes as a commit, appended to a file
  append and sync       the same, and fsync: what the disk needs (no commit does that with synchronous=normal)
  compute               about as much CPU time, and no input or output: what the machine's other work costs

The kinds take turns in rounds; each figure is the median of the rounds, with the lowest and the highest.
"""

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from storage.database.checkpointer import Checkpointer
from storage.database.engine import open_database
from storage.writing.transaction import Transactions
from tests.support.records import RecordMaker, learn_scores, pace

CHOICE_BYTES = 900
"""Of a compressed choice of five models."""

QUANTILES = (0.5, 0.99, 0.999)

Act = Callable[[], object]


@contextmanager
def committing(folder: Path, requests: int, *, checkpoints: bool) -> Iterator[Act]:
    """Write a transaction of some requests, each with a choice of its own."""
    file = folder / f"checkpoints-{checkpoints}.db"
    database, making = open_database(f"sqlite:///{file}"), RecordMaker()
    transactions = Transactions(database, learn_scores, pace)
    checkpointer = Checkpointer(database, lambda: transactions.commits) if checkpoints else None

    def commit() -> None:
        transactions.write([making.completion(choice=os.urandom(CHOICE_BYTES)) for _ in range(requests)])

    try:
        yield commit
    finally:
        if checkpointer is not None:
            checkpointer.close()
        transactions.close()
        database.close()


@contextmanager
def appending(folder: Path, size: int, *, sync: bool) -> Iterator[Act]:
    """Append so many bytes to a file."""
    with closing(open(folder / "bytes", "ab", buffering=0)) as file:

        def append() -> None:
            file.write(os.urandom(size))
            if sync:
                os.fsync(file.fileno())

        yield append


@contextmanager
def computing(seconds: float) -> Iterator[Act]:
    """Compute for about so long, which is found out here."""
    block, count = bytes(2_000), 1_000
    started = time.thread_time()
    for _ in range(count):
        hashlib.blake2b(block)
    count = max(round(count * seconds / (time.thread_time() - started)), 1)

    def compute() -> None:
        for _ in range(count):
            hashlib.blake2b(block)

    yield compute


def milliseconds(act: Act, transactions: int, apart_seconds: float) -> list[float]:
    """Quantiles of the time that the act takes."""
    act()
    took = np.empty(transactions)
    for number in range(transactions):
        time.sleep(apart_seconds)
        started = time.perf_counter()
        act()
        took[number] = time.perf_counter() - started
    return [1e3 * float(each) for each in np.quantile(took, QUANTILES)]


def measure(options: argparse.Namespace) -> dict[str, list[list[float]]]:
    """Quantiles of each kind and round."""
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        log_bytes, cpu_seconds = _of_a_commit(Path(name), options.requests)
    found: dict[str, list[list[float]]] = {}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            for kind, made in (
                ("commit", committing(folder, options.requests, checkpoints=True)),
                ("without checkpoints", committing(folder, options.requests, checkpoints=False)),
                ("append", appending(folder, log_bytes, sync=False)),
                ("append and sync", appending(folder, log_bytes, sync=True)),
                ("compute", computing(cpu_seconds)),
            ):
                with made as act:
                    quantiles = milliseconds(act, options.transactions, options.apart_ms / 1e3)
                found.setdefault(kind, []).append(quantiles)
    return found


def _of_a_commit(folder: Path, requests: int) -> tuple[int, float]:
    """Bytes that a commit adds to the log, and its CPU seconds."""
    count, log = 100, folder / "checkpoints-False.db-wal"
    with committing(folder, requests, checkpoints=False) as commit:
        commit()
        before, started = log.stat().st_size, time.thread_time()
        for _ in range(count):
            commit()
        return (log.stat().st_size - before) // count, (time.thread_time() - started) / count


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.commits", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--transactions", type=int, default=3_000, help="per kind and round (default 3000)")
    parser.add_argument("--requests", type=int, default=4, help="per transaction (default 4)")
    parser.add_argument("--apart-ms", type=float, default=4.0, help="between two transactions (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--folder", type=Path, help="on the disk that is measured (default: the temporary folder)")
    options = parser.parse_args()
    table = Table(title=f"Milliseconds (load of the machine at the start {os.getloadavg()[0]:.0f})")
    table.add_column("kind")
    for name in ("p50", "p99", "p99.9"):
        table.add_column(name, justify="right")
    for kind, rounds in measure(options).items():
        columns = zip(*rounds, strict=True)
        table.add_row(kind, *(f"{median(each):.2f} ({min(each):.2f}–{max(each):.2f})" for each in columns))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
