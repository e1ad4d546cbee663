"""The form of a router's settings: what was changed in it becomes a merge patch, unless others were quicker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bandit.objective import PRESETS
from gateway.dashboard.formats import shown_json
from gateway.dashboard.forms import Form
from gateway.dashboard.numbers import number
from gateway.dashboard.rule_lines import lines_of, patch_of_lines
from gateway.dashboard.views.changes import ChangeRow, row_of
from gateway.management.changes import list_changes
from gateway.management.context import Management
from gateway.management.models import list_models
from gateway.management.routers import RouterView, get_router

OWN = "own"
"""The objective's choice for dollars of one's own, beside the presets."""
DOLLARS = ("quality_usd", "second_usd", "failure_usd")


@dataclass(frozen=True, slots=True)
class Setting:
    """An option of the form that is a number or a text. `empty` says what it means if nothing is there."""

    name: str
    label: str
    hint: str
    empty: str = "no limit"


SETTINGS = (
    Setting("max_usd_per_day", "Dollars a day", "over UTC days, all callers together"),
    Setting("budget_usd_per_request", "Dollars a request, on average", "kept by choosing cheaper models"),
    Setting("latency_limit_seconds", "Slowest mean wait, seconds", "slower models get their exploration alone"),
    Setting("quality_floor", "Least quality, as a share of the best", "from 0 to 1; worse models get no more", "none"),
    Setting("exploration", "Exploration", "share of requests that are drawn evenly, from 0 to 1", "default"),
    Setting("sticky_seconds", "Keep a conversation's model, seconds", "for the prompt cache", "choose anew each time"),
    Setting("retention_days", "Keep the ledger, days", "or: forever", "default"),
    Setting("max_attempts", "Most models asked for one request", "from 1 to 10", "default"),
    Setting("policy", "Policy", "thompson, best, uniform, cheapest, or fixed:PROVIDER/MODEL", "default"),
)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model in the form."""

    id: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that was changed here, with its value now, which somebody else may have set."""

    name: str
    theirs: str
    mine: str


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """The form. `shown` are its values, `was` those that it was opened with: what differs is the patch."""

    router: RouterView
    shown: Mapping[str, str]
    was: Mapping[str, str]
    models: Sequence[ModelChoice]
    settings: Sequence[Setting]
    presets: Sequence[str]
    problems: Mapping[str, str] = field(default_factory=dict)
    conflicts: Sequence[Conflict] = ()
    by: str = ""
    done: ChangeRow | None = None


def settings_page(management: Management, router_id: str, *, done: bool = False) -> SettingsPage:
    """The form as the router is; with `done`, the change that was just made. Raises NotFound."""
    router = get_router(management, router_id)
    values = _values(router)
    latest = list_changes(management, 1, None, router_id).data if done else []
    made = row_of(latest[0]) if latest else None
    return _page(management, router, values, values, done=made)


def refused_page(management: Management, router_id: str, sent: Form, problems: Mapping[str, str]) -> SettingsPage:
    """The form as it was sent, with what is wrong."""
    router = get_router(management, router_id)
    return _page(management, router, _sent(sent), _opened(sent, router), problems=problems)


def conflict_page(management: Management, router_id: str, sent: Form) -> SettingsPage:
    """The form as it was sent, on the router as somebody else has left it: to be applied on top, or dropped.

    There is no conflict if all that it changes is so already, as after a second click on Save.
    """
    router = get_router(management, router_id)
    now, mine, was = _values(router), _sent(sent), _opened(sent, router)
    conflicts = [
        Conflict(name, now[name] or "default", mine[name] or "default")
        for name in mine
        if mine[name] not in {was[name], now[name]}
    ]
    latest = list_changes(management, 1, None, router_id).data
    by = row_of(latest[0]).actor if latest else ""
    return _page(management, router, mine, was, conflicts=conflicts, by=by)


def patch_of(sent: Form, router: RouterView) -> dict[str, object]:
    """The merge patch of what differs from what the form was opened with. Raises OptionsError."""
    mine, was = _sent(sent), _opened(sent, router)
    changed = {name for name in mine if mine[name] != was[name]}
    patch: dict[str, object] = {
        each.name: mine[each.name] or None if each.name == "policy" else number(mine[each.name])
        for each in SETTINGS
        if each.name in changed
    }
    if "name" in changed:
        patch["name"] = mine["name"]
    if "rules" in changed:
        patch |= patch_of_lines(mine["rules"])
    if changed & {"objective", *DOLLARS}:
        own = mine["objective"] == OWN
        patch["objective"] = {name: number(mine[name]) for name in DOLLARS} if own else mine["objective"]
    if "models" in changed:
        former = {model.id: model for model in router.models}
        patch["models"] = [
            {**former[id_].model_dump(), "enabled": True} if id_ in former else id_ for id_ in sent.all("models")
        ]
    return patch


def _page(
    management: Management,
    router: RouterView,
    shown: Mapping[str, str],
    was: Mapping[str, str],
    *,
    problems: Mapping[str, str] | None = None,
    conflicts: Sequence[Conflict] = (),
    by: str = "",
    done: ChangeRow | None = None,
) -> SettingsPage:
    chosen = set(shown["models"].split("\n"))
    ids = dict.fromkeys((*(model.id for model in router.models), *(model.id for model in list_models(management))))
    return SettingsPage(
        router=router,
        shown=shown,
        was=was,
        models=[ModelChoice(id_, id_ in chosen) for id_ in ids],
        settings=SETTINGS,
        presets=(*PRESETS, OWN),
        problems=problems or {},
        conflicts=conflicts,
        by=by,
        done=done,
    )


def _values(router: RouterView) -> dict[str, str]:
    """The form's values of a router. Options that were never set are empty: they follow the defaults."""
    objective = router.settings["objective"]
    own = objective if isinstance(objective, dict) else {}
    dollars = own or (router.objective_usd.model_dump() if router.objective_usd else {})
    return {
        "name": router.name,
        "objective": OWN if own else str(objective),
        **{name: f"{dollars[name]:.6g}" if name in dollars else "" for name in DOLLARS},
        **{
            each.name: "" if each.name in router.defaults else shown_json(router.settings[each.name])
            for each in SETTINGS
        },
        "models": "\n".join(sorted(router.enabled_models)),
        "rules": lines_of(router.settings),
    }


def _sent(sent: Form) -> dict[str, str]:
    names = ("name", "objective", *DOLLARS, *(each.name for each in SETTINGS))
    return {
        **{name: sent.text(name) for name in names},
        "models": "\n".join(sorted(set(sent.all("models")))),
        "rules": sent.text("rules").replace("\r\n", "\n"),
    }


def _opened(sent: Form, router: RouterView) -> dict[str, str]:
    """What the form was opened with, as its hidden fields say; the present values for those that were left out."""
    values = _values(router)
    return {
        name: sent.text(f"was.{name}").replace("\r\n", "\n") if f"was.{name}" in sent.values else value
        for name, value in values.items()
    }
