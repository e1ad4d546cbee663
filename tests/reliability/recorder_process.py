"""A process that records as fast as it can, until it is killed.

Prints a line for each acknowledgement: `completion ID` or `score ID`.
"""

import itertools
import os
import sys
import threading
import uuid
from dataclasses import replace

from storage.database.engine import open_database
from storage.writing.writer import Committed, Writer
from tests.support.records import RecordMaker, learn_scores, pace

OUTSTANDING = 64


def score_of(completion_id: str) -> float:
    """The score of this completion, the same in a retry."""
    return int(completion_id[-2:], 16) / 255


def main(url: str) -> None:
    making, run = RecordMaker(), uuid.uuid4().hex[:20]
    room = threading.Semaphore(OUTSTANDING)

    def deliver(committed: Committed) -> None:
        failed = [result for _, result in committed.results if isinstance(result, Exception)]
        assert not failed, failed
        os.write(1, b"".join(f"{token}\n".encode() for token, _ in committed.results))
        room.release(len(committed.results))

    writer = Writer(open_database(url), learn_scores=learn_scores, pace=pace, deliver=deliver)
    writer.start()
    for number in itertools.count():
        completion_id = f"req_{run}{number:012x}"
        room.acquire()
        writer.submit(making.completion(completion_id=completion_id), f"completion {completion_id}")
        for _ in range(number % 3):  # none, once, and once more for nothing
            room.acquire()
            score = replace(making.score(completion_id, score_of(completion_id)), id=f"fbk_{uuid.uuid4().hex}")
            writer.submit((score,), f"score {completion_id}")


if __name__ == "__main__":
    main(sys.argv[1])
