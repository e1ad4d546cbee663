"""Kept properties: computed when they are first asked for, and once."""

from bandit.quick import kept_property


class _Counting:
    def __init__(self) -> None:
        self.computed = 0

    @kept_property
    def figure(self) -> int:
        """How often it was computed."""
        self.computed += 1
        return self.computed


def test_a_kept_property_is_computed_once_for_each_object() -> None:
    one, other = _Counting(), _Counting()
    assert one.computed == 0
    assert [one.figure, one.figure, other.figure] == [1, 1, 1]
    assert _Counting.figure.__doc__ == "How often it was computed."
