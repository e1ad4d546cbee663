"""Validates structured answers in a thread, after they were sent: no answer waits for its validation."""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from bandit.learning import learn_validity
from bandit.posteriors.snapshot import Snapshot
from bandit.types import Attempt, Ending
from gateway.completions.decision import Decision
from storage.records import ValidityRecord

log = logging.getLogger(__name__)

MOST_WAITING = 256
"""Answers that may wait; whether further ones are valid stays unknown."""
TEXT_LIMIT = 256 * 1024
SCHEMA_LIMIT = 32 * 1024
"""Larger answers or schemas are not validated: that would take too much time and memory."""
UNCHECKED_FINISHES = {"length", "content_filter", "tool_calls"}


@dataclass(frozen=True, slots=True)
class ValidityCheck:
    """An answer's text and the `response_format` it should have. `ended_at` is that of its outcome."""

    completion_id: str
    model_id: str
    snapshot: Snapshot
    ended_at: float
    asked: bytes  # the request's `response_format`
    text: str


def check_for(decision: Decision, attempt: Attempt, text: str | None, ended_at: float) -> ValidityCheck | None:
    """The check of an answer that was asked for in JSON; None if it is not complete, or a part is too large."""
    asked = decision.request.response_format
    if asked is None or text is None:
        return None
    if attempt.ending is not Ending.COMPLETE or attempt.finish_reason in UNCHECKED_FINISHES:
        return None
    if len(asked) > SCHEMA_LIMIT or len(text) > TEXT_LIMIT:
        return None
    return ValidityCheck(
        decision.completion_id, attempt.model_id, decision.published.snapshot, ended_at, bytes(asked), text
    )


class Validator:
    """A bounded queue of answers and the thread that validates them. `record` is called in that thread.

    Each validation is bounded by a number of steps: see `gateway.completions.json_schema`.
    """

    def __init__(self, record: Callable[[ValidityRecord], None]) -> None:
        self._record = record
        self._waiting: queue.Queue[ValidityCheck | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="validity-checks", daemon=True)
        self._thread.start()

    def add(self, check: ValidityCheck) -> None:
        """Queue an answer, or drop it if the queue is full. Thread-safe."""
        try:
            self._waiting.put_nowait(check)
        except queue.Full:
            log.debug("%s is not checked: %d answers wait already", check.completion_id, MOST_WAITING)

    def close(self) -> None:
        """Validate what is queued, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (check := self._waiting.get()) is not None:
            try:
                self._check(check)
            except Exception:  # the thread must outlive every answer
                log.exception("%s could not be checked", check.completion_id)

    def _check(self, check: ValidityCheck) -> None:
        from gateway.completions.json_schema import is_valid  # noqa: PLC0415 - jsonschema would take a tenth of the start

        valid = is_valid(check.asked, check.text)
        if valid is not None:
            deltas = learn_validity(check.snapshot, check.model_id, valid, check.ended_at)
            self._record(ValidityRecord(check.completion_id, valid, deltas))
