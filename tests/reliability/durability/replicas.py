"""Several processes write to one ledger, with retries and corrections: do all hold what a single process would?"""

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

from bandit.statistics import Signal, StatisticKey, Sums
from bandit.types import Scores
from storage.database.engine import open_database
from storage.maintenance.rebuild import Rebuild
from storage.stores.arms import Arms
from tests.reliability.durability.replica import BEACON_EVERY, PARTS, records_of, scores_of
from tests.support.processes import CHECKOUT
from tests.support.records import learn_scores
from tests.support.traffic import ROUTER

AGREEMENT_SECONDS = 10.0
TOLERANCE = 1e-9

SumsByKey = dict[StatisticKey, Sums]


class _Process:
    """A replica in a child process: orders go to its standard input, answers come from its standard output."""

    def __init__(self, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "tests.reliability.durability.replica", *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
        )

    def __enter__(self) -> "_Process":
        self.answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def order(self, what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def fewest_requests(processes: int) -> int:
    """Fewer would hold no beacon in each part, which propagation is measured by."""
    return processes * PARTS * BEACON_EVERY


def run_replicas(url: str, processes: int, requests: int, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Write `requests` in all, with about as many scores; compare every process, the database and a single fold."""
    count = requests // processes // PARTS * PARTS
    open_database(url).close()
    with ExitStack() as stack:
        replicas = [
            stack.enter_context(_Process([url, *map(str, (number, processes, count, seed))]))
            for number in range(processes)
        ]
        started = time.monotonic()
        for phase in range(PARTS + 1):
            tell(f"part {phase + 1} of {PARTS + 1}")
            for replica in replicas:
                replica.order(f"phase {phase}")
            for replica in replicas:
                replica.answer()
        seconds = time.monotonic() - started
        expected = _single(processes, count, seed)
        tell("comparing")
        told, agreed_seconds = _until_agreed(replicas, expected)
    with closing(open_database(url)) as database:
        kept = Arms(database).sums(ROUTER)
        equal = Rebuild(database, learn_scores, lambda router_id, signal: None).check(ROUTER) == []
    delays = sorted(_delays(told))
    seen = [delay for delay in delays if math.isfinite(delay)]
    differences = {
        "database": _largest_difference(kept, expected),
        "processes": max(_largest_difference(_read(each["sums"]), expected) for each in told),
    }
    return {
        "processes": processes,
        "requests": count * processes,
        "scores": sum(len(said) for number in range(processes) for said in scores_of(number, count, seed)),
        "requests_per_second": round(count * processes / seconds),
        "failed": sum(len(each["failed"]) for each in told),
        "largest_difference": differences,
        "equal_to_a_single_process": max(differences.values()) <= TOLERANCE,
        "rebuild_equal": equal,
        "agreed_after_seconds": round(agreed_seconds, 2),
        "seen_by_all": {
            "changes": len(seen),
            "p50_ms": round(1e3 * seen[len(seen) // 2]),
            "p99_ms": round(1e3 * seen[len(seen) * 99 // 100]),
        },
        "never_seen": len(delays) - len(seen),
    }


def _single(processes: int, count: int, seed: int) -> SumsByKey:
    """What one process would learn from everything, once and in order."""
    sums: SumsByKey = {}

    def add(deltas: Any) -> None:
        for key, new in deltas.items():
            sums[key] = sums[key] + new if key in sums else new

    for number in range(processes):
        records, scores = records_of(number, count, seed), scores_of(number, count, seed)
        for record, said in zip(records, scores, strict=True):
            add(record.deltas)
            last = {source: score for _, source, score in said}
            if last:
                place = (ROUTER, record.outcome.model_id or "", record.decision.task, record.outcome.ended_at)
                add(learn_scores(Scores(*place), Scores(*place, last)))
    return sums


def _until_agreed(replicas: list[_Process], expected: SumsByKey) -> tuple[list[dict[str, Any]], float]:
    """What the processes hold once it is what is expected, or when the time is up; and seconds until then."""
    started = time.monotonic()
    while True:
        for replica in replicas:
            replica.order("tell")
        told: list[dict[str, Any]] = [replica.answer() for replica in replicas]
        waited = time.monotonic() - started
        worst = max(_largest_difference(_read(each["sums"]), expected) for each in told)
        if worst <= TOLERANCE or waited > AGREEMENT_SECONDS:
            return told, waited


def _read(rows: list[list[Any]]) -> SumsByKey:
    return {
        StatisticKey(router_id, model_id, task, Signal(signal)): Sums(*sums)
        for router_id, model_id, task, signal, *sums in rows
    }


def _largest_difference(found: SumsByKey, expected: SumsByKey) -> float:
    """The largest |difference| / max(1, |sum|) at the later instant of the two; infinite where a sum is missing."""
    if found.keys() != expected.keys():
        return math.inf
    largest = 0.0
    for key, sums in expected.items():
        at = max(sums.at, found[key].at)
        a, b = found[key].faded_to(at), sums.faded_to(at)
        for x, y in ((a.weight, b.weight), (a.total, b.total), (a.squares, b.squares)):
            largest = max(largest, abs(x - y) / max(1.0, abs(y)))
    return largest


def _delays(told: list[dict[str, Any]]) -> list[float]:
    """Seconds from the commit of a beacon until the last of the others has seen it."""
    delays = []
    for mine in told:
        others = [each["seen"] for each in told if each is not mine]
        for beacon, lit in mine["lit"].items():
            delays.append(max((seen.get(beacon, math.inf) for seen in others), default=lit) - lit)
    return delays
