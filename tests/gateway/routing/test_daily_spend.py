"""What a router has spent today is the ledger's figure, and what is not committed yet."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.types import Epoch
from gateway.routing.daily_spend import DailySpend
from storage.calendar import DAY

TODAY = 20_000
NOW = Epoch(TODAY * DAY + 3_600.0)
TOMORROW = Epoch(NOW + DAY)


def spend(limit_usd: float | None = 1.0) -> DailySpend:
    spend = DailySpend()
    spend.limit_usd = limit_usd
    return spend


def test_a_figure_that_was_read_before_the_last_answers_does_not_hide_them() -> None:
    one = spend()
    one.settle(0.0, 0.25, NOW)
    one.commit(TODAY, 0.25)
    one.settle(0.0, 0.25, NOW)  # while the writer's thread reads the figure
    one.replace(TODAY, 0.25)
    assert one.left_usd(NOW) == pytest.approx(0.5)
    one.commit(TODAY, 0.25)
    assert one.left_usd(NOW) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.sampled_from(["own", "other", "commit", "read"]), st.integers(1, 9)), max_size=40))
def test_nothing_is_lost_or_counted_twice_in_whatever_order_it_comes(steps: list[tuple[str, int]]) -> None:
    one, ledger, uncommitted, seen = spend(1e9), 0, [0], 0
    for kind, cents in steps:
        if kind == "own":
            one.settle(0.0, cents, NOW)
            uncommitted.append(cents)
        elif kind == "other":
            ledger += cents
        elif kind == "commit":
            committed = uncommitted.pop(0) if uncommitted else 0
            ledger, seen = ledger + committed, seen + committed
            one.commit(TODAY, committed)
        else:
            seen = ledger
            one.replace(TODAY, ledger)
        assert one.left_usd(NOW) == pytest.approx(1e9 - seen - sum(uncommitted))


def test_a_new_day_begins_with_what_others_have_spent_on_it() -> None:
    one = spend()
    one.settle(0.0, 0.75, NOW)
    one.replace(TODAY + 1, 0.25)  # another process's clock is ahead, or this router had no request yet
    assert one.left_usd(NOW) == pytest.approx(0.25)
    assert one.left_usd(TOMORROW) == pytest.approx(0.75)
    one.commit(TODAY, 0.75)
    assert one.left_usd(TOMORROW) == pytest.approx(0.75)


def test_reserved_dollars_are_free_again_when_their_request_has_settled() -> None:
    one = spend()
    one.reserve(0.5, NOW)
    assert one.left_usd(NOW) == pytest.approx(0.5)
    one.settle(0.5, 0.125, NOW)
    assert one.left_usd(NOW) == pytest.approx(0.875)


def test_without_a_limit_everything_is_left() -> None:
    one = spend(None)
    one.settle(0.0, 1e6, NOW)
    assert one.left_usd(NOW) == math.inf


def test_a_clock_that_was_a_day_ahead_and_is_set_right_finds_todays_spend_again() -> None:
    one = spend()
    one.settle(0.0, 0.25, NOW)
    one.commit(TODAY, 0.25)
    assert one.left_usd(TOMORROW) == pytest.approx(1.0)
    one.replace(TODAY, 0.75)  # by another process, whose clock is right
    assert one.left_usd(NOW) == pytest.approx(0.25)
