"""Scores that match no completion are counted by key and day; other refusals are not."""

from bandit.types import Epoch
from gateway.errors import BadRequest, NotFound
from gateway.maintenance.unmatched import UnmatchedCounter
from storage.stores.unmatched import UnmatchedScores


def test_only_scores_without_a_completion_are_counted_and_taken_once() -> None:
    counter, day = UnmatchedCounter(), 86_400.0
    for number, code in enumerate(("completion_not_found", "episode_not_found", "completion_not_found")):
        counter.note("key_1", NotFound(f"there is no {number}", code=code), Epoch(day * (number // 2)))
    counter.note("key_2", BadRequest("a wrong score"), Epoch(day))
    assert counter.take() == {
        ("key_1", 0): UnmatchedScores(2, "there is no 1"),
        ("key_1", 1): UnmatchedScores(1, "there is no 2"),
    }
    assert counter.take() == {}
