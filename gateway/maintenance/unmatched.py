"""Counts scores that match no completion, until the heartbeat writes them to the ledger."""

from bandit.types import Epoch
from gateway.errors import GatewayError
from storage.calendar import day_of
from storage.stores.unmatched import UnmatchedScores

UNMATCHED_CODES = frozenset(("completion_not_found", "episode_not_found"))


class UnmatchedCounter:
    """Counts by API key and UTC day. Not thread-safe, but for `take`: the event loop alone uses it."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], UnmatchedScores] = {}

    def note(self, key_id: str, error: GatewayError, now: Epoch) -> None:
        """Count a request with scores that was refused, if that is why."""
        if error.code in UNMATCHED_CODES:
            key, one = (key_id, day_of(now)), UnmatchedScores(1, str(error))
            held = self._counts.get(key)
            self._counts[key] = one if held is None else held.plus(one)

    def take(self) -> dict[tuple[str, int], UnmatchedScores]:
        """What was counted since the last call. Thread-safe."""
        counts, self._counts = self._counts, {}
        return dict(counts)  # a copy, made at once: the event loop may still add to the former
