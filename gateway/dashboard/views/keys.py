"""The pages of the API keys: who may use the gateway, and for what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from gateway.api_keys import SCOPES
from gateway.dashboard import charts
from gateway.dashboard.formats import DAY, day, span
from gateway.dashboard.forms import Form
from gateway.dashboard.frame import RouterLink
from gateway.dashboard.numbers import number
from gateway.dashboard.views.router import curl_of
from gateway.management.api_keys import ApiKeyView, get_api_key, list_api_keys
from gateway.management.context import Management

MEANINGS = {
    "routing": "ask for completions, score its own",
    "feedback": "score everybody's",
    "read": "see everything here, change nothing",
    "admin": "change everything",
}


LIMITS = {
    "usd_per_day": "Dollars a day",
    "usd_per_month": "Dollars a month",
    "requests_per_minute": "Requests a minute",
    "tokens_per_minute": "Tokens a minute",
}
"""The limits that the form sets, with their labels; those of models and tasks stay as they are."""
MOST_ROWS = 200
"""Keys that the page shows; others are found by their label."""
NEARLY = 0.9
"""A use of this part of its limit is shown as a warning."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key in the list. `on` names its routers; `spent` is the part of the day's limit, None without one.

    `is_over`: it was revoked or has expired.
    """

    key: ApiKeyView
    on: str
    used: str
    spent: Markup | None
    ends: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class KeyForm:
    """The fields of a key as they are in the form, and what is wrong with them."""

    label: str = ""
    scopes: Sequence[str] = ("routing",)
    routers: Sequence[str] = ()
    days: str = ""
    limits: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(LIMITS, ""))
    labels: Mapping[str, str] = field(default_factory=lambda: LIMITS)
    meanings: Mapping[str, str] = field(default_factory=lambda: MEANINGS)


@dataclass(frozen=True, slots=True)
class KeysPage:
    """The keys that are searched for, the form for another one, and the secret of the one that was just made.

    `use` is a command with this secret, `left_out` the number of keys that the page does not show.
    """

    rows: Sequence[KeyRow]
    routers: Sequence[RouterLink]
    form: KeyForm = KeyForm()
    problems: Mapping[str, str] = field(default_factory=dict)
    made: ApiKeyView | None = None
    use: str = ""
    search: str = ""
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One key with its form; `made` is its successor, with the secret, after a rotation."""

    row: KeyRow
    routers: Sequence[RouterLink]
    form: KeyForm
    problems: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
    made: ApiKeyView | None = None


def keys_page(
    management: Management,
    routers: Sequence[RouterLink],
    *,
    form: KeyForm = KeyForm(),
    problems: Mapping[str, str] | None = None,
    made: ApiKeyView | None = None,
    search: str = "",
) -> KeysPage:
    """The list: live keys first, the newest on top, with `search` in their label, id or first characters."""
    now, wanted = management.now, search.strip().lower()
    found = [
        key
        for key in reversed(list_api_keys(management))
        if wanted in f"{key.label} {key.id} {key.prefix or ''}".lower()
    ]
    found.sort(key=lambda key: key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now))
    rows = [_row(key, routers, now) for key in found[:MOST_ROWS]]
    use = _use(management, routers, made) if made else ""
    return KeysPage(rows, routers, form, problems or {}, made, use, search, len(found) - len(rows))


def _use(management: Management, routers: Sequence[RouterLink], made: ApiKeyView) -> str:
    """The command that sends a request with a key that was just made; empty if it can't send any."""
    usable = [router.id for router in routers if made.routers is None or router.id in made.routers]
    if "routing" not in made.scopes or not usable or made.secret is None:
        return ""
    return curl_of(f"{management.base_url}/{usable[0]}/chat/completions").replace("$KEY", made.secret)


def key_page(
    management: Management,
    routers: Sequence[RouterLink],
    key_id: str,
    *,
    form: KeyForm | None = None,
    problems: Mapping[str, str] | None = None,
    said: str = "",
    made: ApiKeyView | None = None,
) -> KeyPage:
    """One key. Raises NotFound."""
    key = get_api_key(management, key_id)
    limits = {
        name: "" if value is None else f"{value:.12g}"
        for name, value in key.limits.model_dump(include={*LIMITS}).items()
    }
    current = KeyForm(key.label, key.scopes, key.routers or (), limits={name: limits[name] for name in LIMITS})
    return KeyPage(_row(key, routers, management.now), routers, form or current, problems or {}, said, made)


def form_of(form: Form) -> KeyForm:
    """The fields as they were sent, to be shown again."""
    limits = {name: form.text(name) for name in LIMITS}
    return KeyForm(form.text("label"), form.all("scopes"), form.all("routers"), form.text("days"), limits)


def fields_of(form: KeyForm, now: float) -> dict[str, object]:
    """What the management API takes for them. A wrong number of days is refused by name as `expires_at`."""
    days = number(form.days)
    ends: dict[str, object] = {"expires_at": now + days * DAY if isinstance(days, int | float) else days}
    return {
        "label": form.label,
        "scopes": [scope for scope in SCOPES if scope in form.scopes],
        "routers": list(form.routers) or None,
        "limits": {name: number(value) for name, value in form.limits.items()},
        **(ends if form.days else {}),
    }


def _row(key: ApiKeyView, routers: Sequence[RouterLink], now: float) -> KeyRow:
    names = {router.id: router.name for router in routers}
    on = "all routers" if key.routers is None else ", ".join(names.get(each, each) for each in key.routers)
    used = "never" if key.last_used_at is None else f"{span(now - key.last_used_at)} ago"
    if key.last_used_at is None and key.usage.month.requests:
        used = "this month"
    limit, today = key.limits.usd_per_day, key.usage.today.cost_usd
    part = None if limit is None else min(today / limit, 1.0)
    spent = None if part is None else charts.meter(part, "bad" if part >= NEARLY else "a")
    if key.revoked_at is not None:
        return KeyRow(key, on, used, None, f"revoked {day(key.revoked_at)}", True)
    if key.expires_at is None:
        return KeyRow(key, on, used, spent, "never", False)
    if key.expires_at <= now:
        return KeyRow(key, on, used, None, f"ended {day(key.expires_at)}", True)
    return KeyRow(key, on, used, spent, f"in {span(key.expires_at - now)}", False)
