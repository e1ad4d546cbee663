"""What people type into a field is read as the number that it is, or refused by name."""

import pytest

from gateway.dashboard.forms import attempt, number
from gateway.errors import BadRequest


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


def test_problems_are_kept_by_field_and_those_of_limits_by_their_own_names() -> None:
    def refuse() -> None:
        raise BadRequest(
            "", problems=[("limits.usd_per_day", "a"), ("models[2]", "b"), ("models[3]", "c"), (None, "d")]
        )

    tried = attempt(refuse)
    assert tried.problems == {"usd_per_day": "a", "models": "b; c", "": "d"}
    assert tried.answer is None
