"""Kept properties are computed when they are first asked for, and once; quick dataclasses are dataclasses."""

from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace

import pytest

from bandit.quick import kept_property, quick_dataclass


@dataclass(frozen=True, slots=True)
class _Plain:
    number: int
    name: str | None = None
    items: list[int] = field(default_factory=list)


@quick_dataclass(frozen=True, slots=True)
class _Quick:
    """A value."""

    number: int
    name: str | None = None
    items: list[int] = field(default_factory=list)

    @property
    def doubled(self) -> int:
        """Twice the number."""
        return 2 * self.number


@quick_dataclass(frozen=True, slots=True)
class _Key:
    number: int
    name: str = ""


def test_a_quick_dataclass_is_one_to_everything_that_asks() -> None:
    plain, quick = _Plain(3, items=[1]), _Quick(3, items=[1])
    assert is_dataclass(quick)
    assert asdict(quick) == asdict(plain)
    assert repr(quick) == repr(plain).replace("_Plain", "_Quick")
    assert [(each.name, each.default) for each in fields(quick)] == [
        ("number", MISSING),
        ("name", None),
        ("items", MISSING),
    ]
    assert replace(quick, name="b") == _Quick(3, "b", [1])
    assert _Quick.__doc__ == "A value."
    assert quick.doubled == 6
    assert _Quick(1).items is not _Quick(1).items


def test_equal_quick_dataclasses_have_equal_hashes() -> None:
    assert hash(_Key(1, "a")) == hash(_Key(1, "a"))
    assert len({_Key(1), _Key(1, ""), _Key(2)}) == 2


def test_a_quick_dataclass_can_not_be_changed() -> None:
    with pytest.raises(AttributeError):
        _Quick(1).number = 2  # type: ignore[misc]
    with pytest.raises(TypeError, match="number"):
        _Quick()  # type: ignore[call-arg]


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
