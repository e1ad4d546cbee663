"""Which transactions leave their events to a fold, and when which part of them is folded."""

from storage.pending_events import PARTS
from storage.writing.deferring import DIRECT, FOLD_SECONDS, MOST_LEFT, MOST_ROWS, WINDOW_SECONDS, Deferring


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_quiet_writer_adds_to_the_roll_ups_itself_and_a_busy_one_leaves_that() -> None:
    clock = Clock()
    deferring = Deferring(clock)
    for _ in range(2):
        assert [deferring.defers(1, 4) for _ in range(DIRECT + 3)] == [False] * DIRECT + [True] * 3
        assert not deferring.defers(1, MOST_ROWS + 1)
        clock.now += 2.0 * WINDOW_SECONDS


def test_a_writer_that_stays_busy_leaves_all_until_it_is_quiet_for_a_while() -> None:
    clock = Clock()
    deferring = Deferring(clock)
    for _ in range(DIRECT + 1):
        deferring.defers(1, 4)
    for items in (DIRECT + 1, DIRECT):
        clock.now += WINDOW_SECONDS
        assert all(deferring.defers(1, 4) for _ in range(items))
    clock.now += WINDOW_SECONDS
    assert not any(deferring.defers(1, 4) for _ in range(DIRECT))


def test_a_writer_of_many_items_at_once_is_as_busy_as_one_of_many_transactions() -> None:
    deferring = Deferring(Clock())
    assert [deferring.defers(DIRECT // 2, 4) for _ in range(3)] == [False, False, True]


def test_parts_are_folded_in_turn_and_one_of_which_much_waits_at_once() -> None:
    clock = Clock()
    deferring = Deferring(clock)
    assert deferring.due() is None
    for part in range(PARTS):
        deferring.left(part, 1)
    turns = []
    for _ in range(PARTS):
        clock.now += FOLD_SECONDS / PARTS
        turns.append(deferring.due())
        assert deferring.due() is None, "not before its time"
    assert set(turns) == set(range(PARTS))
    deferring.left(3, MOST_LEFT - 2)
    assert deferring.due() is None
    deferring.left(3, 1)
    assert deferring.due() == 3
    assert deferring.folded(3) == {3}
    assert deferring.due() is None


def test_parts_that_were_folded_are_told_if_something_was_left_there() -> None:
    deferring = Deferring(Clock())
    assert deferring.folded() == set(), "of others"
    for part in (1, 2):
        deferring.left(part, 0)
    assert (deferring.folded(3), deferring.folded(1), deferring.any_left) == (set(), {1}, True)
    assert (deferring.folded(), deferring.any_left) == ({2}, False)
