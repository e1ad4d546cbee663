"""Changes in words."""

from pydantic import JsonValue

from gateway.dashboard.views.changes import FieldChange, row_of
from gateway.management.changes import ActorView, ChangeView

Fields = dict[str, JsonValue]


def change(action: str, before: Fields, after: Fields) -> ChangeView:
    return ChangeView(
        id="chg_a",
        at=0.0,
        actor=ActorView(via="api", key_id="key_a", label="admin"),
        action=action,
        target="a",
        before=before,
        after=after,
        request_id=None,
        reverted_by=None,
    )


def test_what_is_made_has_only_the_values_that_it_was_made_with() -> None:
    made: Fields = {"label": "grafana", "scopes": ["read"], "limits": {}, "expires_at": None}
    assert row_of(change("api_key.create", {}, made)).fields == [
        FieldChange("label", "", "grafana"),
        FieldChange("scopes", "", "read"),
    ]


def test_times_are_told_as_times_and_nothing_as_none() -> None:
    before: Fields = {"limits": {}, "expires_at": None}
    after: Fields = {"limits": {"usd_per_day": 4}, "expires_at": 1_795_524_067.0}
    assert row_of(change("api_key.update", before, after)).fields == [
        FieldChange("limits", "none", "usd_per_day 4"),
        FieldChange("expires_at", "none", "Nov 24, 12:41:07"),
    ]
