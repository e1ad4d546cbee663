"""Scores that matched no completion are counted per key and day, with the last example."""

from storage.database.engine import Database
from storage.stores.unmatched import KEPT_DAYS, LONGEST_EXAMPLE, Unmatched, UnmatchedScores


def test_unmatched_scores_add_up_per_key_and_day_for_a_month(database: Database) -> None:
    store, today = Unmatched(database), 20_000
    store.add({})
    store.add({("key_1", today): UnmatchedScores(2, "first"), ("key_1", today - KEPT_DAYS): UnmatchedScores(7, "old")})
    store.add({("key_1", today): UnmatchedScores(1, "nul \x00" + "x" * 999), ("key_2", today): UnmatchedScores(5, "b")})
    assert [(key_id, each.count) for key_id, each in store.since(0, 10)] == [("key_2", 5), ("key_1", 3), ("key_1", 7)]
    assert len(store.since(0, 10)[1][1].example) <= LONGEST_EXAMPLE
    assert [key_id for key_id, _ in store.since(today, 1)] == ["key_2"], "of many keys those with the most"
    store.add({("key_2", today + 1): UnmatchedScores(1, "next day")})
    assert [each.count for _, each in store.since(0, 10)] == [1, 5, 3], "what is older than a month is gone"
