"""Rules as lines of a form: saved as they are shown, they stay as they were."""

import pytest
from pydantic import JsonValue

from gateway.dashboard.rule_lines import lines_of, patch_of_lines


@pytest.mark.parametrize(
    "rule",
    [
        {"when": "code", "use": "p/a", "mode": "prefer", "weight": 20.0},
        {"when": "code", "use": "p/a", "mode": "prefer", "weight": 20.123456789},
        {"when": "code", "use": "p/a", "mode": "prefer", "weight": 9999.9999},
        {"when": "code", "use": "p/a", "mode": "prefer", "weight": 1e-7},
        {"when": 'key "a  b" otherwise', "use": "p/a@x+y", "mode": "never"},
    ],
)
def test_a_rule_that_is_saved_as_it_is_shown_stays_as_it_was(rule: dict[str, JsonValue]) -> None:
    assert patch_of_lines(lines_of({"rules": [rule], "default": None})) == {"rules": [rule], "default": None}
