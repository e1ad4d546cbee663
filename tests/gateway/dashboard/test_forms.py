"""What a call refuses is told beside the fields."""

from gateway.dashboard.forms import attempt
from gateway.errors import BadRequest


def test_problems_are_kept_by_field_and_those_of_limits_by_their_own_names() -> None:
    def refuse() -> None:
        raise BadRequest(
            "", problems=[("limits.usd_per_day", "a"), ("models[2]", "b"), ("models[3]", "c"), (None, "d")]
        )

    tried = attempt(refuse)
    assert tried.problems == {"usd_per_day": "a", "models": "b; c", "": "d"}
    assert tried.answer is None
