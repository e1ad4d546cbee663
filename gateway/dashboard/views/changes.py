"""The page of the changes: who changed what, and taking one back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.dashboard.formats import moment, shown_json
from gateway.dashboard.views.forecasts import forecast_of
from gateway.management.changes import REVERTIBLE, ChangeView, list_changes
from gateway.management.context import Management

MOST_AT_ONCE = 50
_ACTIONS = {
    "router.create": "made router",
    "router.update": "changed router",
    "router.delete": "deleted router",
    "router.restore": "restored router",
    "api_key.create": "made key",
    "api_key.update": "changed key",
    "api_key.rotate": "rotated key",
    "api_key.revoke": "revoked key",
    "eval.create": "imported scorecard",
    "eval.replace": "imported scorecard again",
    "eval.delete": "deleted scorecard",
    "model.resume": "resumed model",
    "model.price": "changed the price of",
}
_CREATIONS = frozenset({"api_key.create", "eval.create"})
"""Changes whose fields had no value before."""
_ACTORS = {"cli": "the command line", "file": "the configuration file"}
_PRICES = "the configuration file or the price list"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field's values before and after, in words; `before` is empty for what is new."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change. `link` leads to its target, if that has a page."""

    change: ChangeView
    actor: str
    what: str
    fields: Sequence[FieldChange]
    link: str
    can_be_undone: bool
    forecast: str = ""


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """A page of changes, the latest first."""

    rows: Sequence[ChangeRow]
    older: str | None
    is_first: bool
    problems: Mapping[str, str] = field(default_factory=dict)


def changes_page(management: Management, cursor: str | None, problems: Mapping[str, str] | None = None) -> ChangesPage:
    """The changes before `cursor`, or the latest ones."""
    found = list_changes(management, MOST_AT_ONCE, cursor, None)
    rows = [with_forecast(management, change) for change in found.data]
    return ChangesPage(rows, found.next_cursor, cursor is None, problems or {})


def with_forecast(management: Management, change: ChangeView) -> ChangeRow:
    """A change in words, with what was expected of it."""
    return replace(row_of(change), forecast=forecast_of(management, change))


def row_of(change: ChangeView) -> ChangeRow:
    """A change in words."""
    kind = change.action.partition(".")[0]
    paths = {"router": "/routers/", "api_key": "/keys/"}
    gone = change.action in {"router.delete"}
    fields = _fields(change) if change.action not in {"router.create", "router.delete", "router.restore"} else []
    return ChangeRow(
        change=change,
        actor=_actor(change),
        what=_ACTIONS.get(change.action, change.action),
        fields=fields,
        link=f"{paths[kind]}{change.target}" if kind in paths and not gone else "",
        can_be_undone=change.action in REVERTIBLE and change.reverted_by is None,
    )


def _actor(change: ChangeView) -> str:
    if change.action == "model.price":
        return _PRICES
    return _ACTORS.get(change.actor.via) or f"“{change.actor.label or change.actor.key_id or 'unknown'}”"


def _fields(change: ChangeView) -> list[FieldChange]:
    if change.action in _CREATIONS:
        shown = ((name, _shown(change.after, name)) for name in change.after)
        return [FieldChange(name, "", value) for name, value in shown if value != "none"]
    names = [*dict.fromkeys((*change.before, *change.after))]
    if change.action == "model.price":  # what tiers and long prompts cost mostly goes with the model's own price
        names = [name for name in names if isinstance(change.after.get(name), float | int)] or names
    return [
        FieldChange(name, _shown(change.before, name), _shown(change.after, name))
        for name in names
        if change.before.get(name) != change.after.get(name) or name not in change.before or name not in change.after
    ]


def _shown(values: Mapping[str, object], name: str) -> str:
    if name not in values:
        return "default"
    value = values[name]
    if name.endswith("_at") and isinstance(value, float | int):
        return moment(value)
    if name == "rows" and isinstance(value, list):
        return f"{len(value)} models"
    if name == "models" and isinstance(value, list):
        return (
            ", ".join(str(each.get("id")) for each in value if isinstance(each, dict) and each.get("enabled")) or "none"
        )
    return shown_json(value)  # type: ignore[arg-type]  # Pydantic's JsonValue is the same type by another name
