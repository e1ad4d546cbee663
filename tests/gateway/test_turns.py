"""Threads take short turns while work goes on that completions should not wait for."""

import sys

import pytest

from gateway.turns import SWITCH_SECONDS, Turns


def test_turns_are_short_until_the_last_of_overlapping_blocks_ends() -> None:
    usual, turns = sys.getswitchinterval(), Turns()
    first, second = turns.short(), turns.short()
    with first:
        second.__enter__()
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == usual


def test_turns_are_the_usual_ones_again_after_an_error() -> None:
    usual = sys.getswitchinterval()
    with pytest.raises(LookupError), Turns().short():
        raise LookupError
    assert sys.getswitchinterval() == usual
