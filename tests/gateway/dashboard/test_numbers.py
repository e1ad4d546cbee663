"""What people type into a field is read as the number that it is."""

import pytest

from gateway.dashboard.numbers import number


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", None),
        ("5", 5),
        ("-5", -5),
        ("12.5", 12.5),
        ("$1,200", 1200),
        ("1e400", float("inf")),
        ("9" * 400, float("inf")),
        ("soon", "soon"),
        ("٣", 3),
        ("--5", "--5"),
    ],
)
def test_a_field_is_a_number_or_what_was_typed(typed: str, read: object) -> None:
    assert number(typed) == read
    assert type(number(typed)) is type(read)
