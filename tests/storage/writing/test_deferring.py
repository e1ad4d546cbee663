"""Which transactions leave their events to a fold, and when it is due."""

from storage.writing.deferring import DIRECT, FOLD_SECONDS, MOST_LEFT, MOST_ROWS, Deferring


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
        clock.now += 2.0 * FOLD_SECONDS


def test_a_writer_that_stays_busy_leaves_all_until_it_is_quiet_for_a_while() -> None:
    clock = Clock()
    deferring = Deferring(clock)
    for _ in range(DIRECT + 1):
        deferring.defers(1, 4)
    for items in (DIRECT + 1, DIRECT):
        clock.now += FOLD_SECONDS
        assert all(deferring.defers(1, 4) for _ in range(items))
    clock.now += FOLD_SECONDS
    assert not any(deferring.defers(1, 4) for _ in range(DIRECT))


def test_a_writer_of_many_items_at_once_is_as_busy_as_one_of_many_transactions() -> None:
    deferring = Deferring(Clock())
    assert [deferring.defers(DIRECT // 2, 4) for _ in range(3)] == [False, False, True]


def test_a_fold_is_due_when_it_is_idle_when_it_is_time_and_when_there_is_much() -> None:
    clock = Clock()
    deferring = Deferring(clock)
    assert not deferring.is_due(idle=True)
    deferring.left(4)
    assert deferring.is_due(idle=True)
    assert not deferring.is_due(idle=False)
    deferring.left(MOST_LEFT - 4)
    assert deferring.is_due(idle=False)
    assert not deferring.folded(more=True)
    assert deferring.is_due(idle=False)
    assert deferring.folded(more=False)
    assert not deferring.is_due(idle=True)
    assert not deferring.folded(more=False), "of others"
    deferring.left(4)
    clock.now += FOLD_SECONDS
    assert deferring.is_due(idle=False)
