"""One of several processes that write to one ledger and follow each other's changes.

`python -m tests.reliability.durability.replica URL NUMBER PROCESSES COUNT SEED` reads orders from standard input, one
a line, and answers each with a line of JSON: `phase N` (write the Nth part of its requests, and score the previous part
of the next process's), `tell` (the statistics that it holds, and what it saw when). It ends with its input.
"""

import json
import random
import sys
import threading
import time
from dataclasses import replace
from itertools import islice
from typing import Any

from bandit.statistics import Signal, StatisticKey, Sums
from storage.database.engine import open_database
from storage.records import CompletionRecord, FeedbackRecord
from storage.replication.changes import Changed
from storage.writing.writer import Committed, Writer
from tests.support.records import learn_scores, pace
from tests.support.traffic import make_records

START = 1_760_000_000.0
PARTS = 4
OUTSTANDING = 64
BEACON = "rtr_beacon"
BEACON_EVERY = 100
SOURCES = ("user", "judge")


def records_of(process: int, count: int, seed: int) -> list[CompletionRecord]:
    """What a process writes; a pure function, so that the parent can compute it too."""
    made = islice(make_records(seed * 1_000 + process, START), count)
    return [
        replace(record, decision=replace(record.decision, completion_id=f"req_{seed:04x}{process:04x}{number:024x}"))
        for number, record in enumerate(made)
    ]


def scores_of(process: int, count: int, seed: int) -> list[list[tuple[str, str, float]]]:
    """The scores of each of a process's completions in order, as (id, source, score), with repeats and corrections."""
    chance = random.Random(seed * 1_000 + 500 + process)
    return [
        [
            (record.decision.completion_id, chance.choice(SOURCES), chance.choice((0.0, 0.3, 1.0)))
            for _ in range(chance.choice((0, 1, 1, 2, 3)))
        ]
        for record in records_of(process, count, seed)
    ]


class Replica:
    """A writer, and the statistics that this process holds."""

    def __init__(self, url: str, number: int, processes: int, count: int, seed: int) -> None:
        self._number, self._count = number, count
        self._records = records_of(number, count, seed)
        self._scores = scores_of((number + 1) % processes, count, seed)
        self._chance = random.Random(seed * 1_000 + 900 + number)
        self._sums: dict[StatisticKey, Sums] = {}
        self._lit: dict[str, float] = {}  # when its own beacons were committed
        self._seen: dict[str, float] = {}  # when the other processes' were seen here
        self._failed: list[str] = []
        self._room = threading.Semaphore(OUTSTANDING)
        self._writer = Writer(
            open_database(url), learn_scores=learn_scores, pace=pace, deliver=self._deliver, follow=self._follow
        )
        self._writer.start()

    def phase(self, number: int) -> None:
        """Write one part and score another; returns when all is committed."""
        part = self._count // PARTS
        for place in range(part):
            if number < PARTS:
                record = self._records[number * part + place]
                self._submit(record)
                if self._chance.random() < 0.1:
                    self._submit(record)  # a retry, as after a commit whose result was lost
                if place % BEACON_EVERY == BEACON_EVERY // 2:
                    self._submit(self._beacon(record))
            if number > 0:
                for completion_id, source, score in self._scores[(number - 1) * part + place]:
                    self._submit((self._feedback(completion_id, source, score),))
        for _ in range(OUTSTANDING):
            self._room.acquire()
        self._room.release(OUTSTANDING)

    def tell(self) -> dict[str, Any]:
        """Its statistics, and when beacons were committed and seen."""
        held = [[*key, sums.at, sums.half_life, sums.weight, sums.total, sums.squares] for key, sums in self._held()]
        return {"sums": held, "lit": self._lit, "seen": self._seen, "failed": self._failed}

    def close(self) -> None:
        """Close the writer."""
        self._writer.close()

    def _held(self) -> list[tuple[StatisticKey, Sums]]:
        return [(key, sums) for key, sums in dict(self._sums).items() if not key.router_id.startswith(BEACON)]

    def _submit(self, item: CompletionRecord | tuple[FeedbackRecord, ...]) -> None:
        self._room.acquire()
        self._writer.submit(item, item)

    def _beacon(self, like: CompletionRecord) -> CompletionRecord:
        router_id = f"{BEACON}_{self._number}_{self._chance.getrandbits(64):x}"
        decision = replace(like.decision, completion_id=f"{like.decision.completion_id}b", router_id=router_id)
        key = StatisticKey(router_id, "m", "", Signal.OUTCOMES)
        return replace(like, decision=decision, deltas={key: Sums(like.outcome.ended_at, float("inf"), 1.0)})

    def _feedback(self, completion_id: str, source: str, score: float) -> FeedbackRecord:
        number = self._chance.getrandbits(120)
        key_id = self._records[0].decision.key_id
        return FeedbackRecord(f"fbk_{number:x}", completion_id, key_id, False, None, source, score, time.time())

    def _deliver(self, committed: Committed) -> None:
        now = time.time()
        for key, new in committed.deltas.items():
            self._sums[key] = self._sums[key] + new if key in self._sums else new
        for item, result in committed.results:
            if isinstance(result, Exception):
                self._failed.append(repr(result))
            elif isinstance(item, CompletionRecord) and item.decision.router_id.startswith(BEACON):
                self._lit[item.decision.router_id] = now
        self._room.release(len(committed.results))

    def _follow(self, changed: Changed) -> None:
        now = time.time()
        self._sums.update(changed.sums)
        for key in changed.sums:
            if key.router_id.startswith(f"{BEACON}_") and not key.router_id.startswith(f"{BEACON}_{self._number}_"):
                self._seen.setdefault(key.router_id, now)


def main() -> None:
    """Carry out the orders."""
    url, *numbers = sys.argv[1:]
    replica = Replica(url, *map(int, numbers))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        order, *argument = line.split()
        if order == "phase":
            replica.phase(int(argument[0]))
            print(json.dumps("done"), flush=True)
        elif order == "tell":
            print(json.dumps(replica.tell()), flush=True)
    replica.close()


if __name__ == "__main__":
    main()
