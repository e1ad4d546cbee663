"""`keys`: create, list, show, change, rotate and revoke API keys."""

import time
from typing import Annotated, TypeAlias

import typer

from gateway.api_keys import SCOPES
from gateway.cli.commands import new_group
from gateway.cli.database import managed
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, DryRun, Id, Json, seconds_of
from gateway.cli.output import is_or_would_be, moment, print_json, print_table, print_view, report, say
from gateway.management.api_keys import (
    LONGEST_LABEL,
    ApiKeyView,
    change_api_key,
    create_api_key,
    get_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
)

app = new_group("keys")

_Limit: TypeAlias = str | None
_Names: TypeAlias = list[str] | None
Requests: TypeAlias = Annotated[_Limit, typer.Option("--requests-per-minute", help="A limit, or none.")]
Tokens: TypeAlias = Annotated[_Limit, typer.Option("--tokens-per-minute", help="A limit, or none.")]
UsdPerDay: TypeAlias = Annotated[_Limit, typer.Option("--usd-per-day", help="Dollars a UTC day, or none.")]
UsdPerMonth: TypeAlias = Annotated[_Limit, typer.Option("--usd-per-month", help="Dollars a UTC month, or none.")]
Models: TypeAlias = Annotated[_Names, typer.Option("--model", help="Only this model, or all; may be repeated.")]
Tasks: TypeAlias = Annotated[_Names, typer.Option("--task", help="Only this class, or all; may be repeated.")]


@app.command("create")
def create(
    label: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[str] | None, typer.Option(help=f"{', '.join(SCOPES)}; may be repeated.")] = None,
    router: Annotated[list[str] | None, typer.Option(help="Only this router; may be repeated (default: all).")] = None,
    expires: Annotated[str | None, typer.Option(help="Lifetime: 12h, 90d, 1y (default: forever).")] = None,
    requests_per_minute: Requests = None,
    tokens_per_minute: Tokens = None,
    usd_per_day: UsdPerDay = None,
    usd_per_month: UsdPerMonth = None,
    model: Models = None,
    task: Tasks = None,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Create an API key. Its secret is printed once, alone on stdout."""
    scopes = _scopes(scope or [])
    if not scopes:
        raise CommandError("a key needs a scope: --scope routing, --scope feedback, --scope read or --scope admin", 2)
    _check_label(label)
    limits = _limits(requests_per_minute, tokens_per_minute, usd_per_day, usd_per_month, model, task)
    values = {
        "label": label,
        "scopes": scopes,
        "routers": router or None,
        "expires_at": _end_of(expires),
        "limits": limits,
    }
    with managed(config, database_url, create=True, dry_run=dry_run) as management:
        key = create_api_key(management, values)
    if json:
        print_view(key)
        return
    _tell_secret(key)


@app.command("list")
def list_all(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List all keys, without their secrets."""
    with managed(config, database_url) as management:
        keys = list_api_keys(management)
    if json:
        print_json([key.model_dump(exclude={"secret"}) for key in keys])
        return
    rows = [
        (
            key.id,
            key.prefix or "-",
            key.label,
            ", ".join(key.scopes),
            "all" if key.routers is None else ", ".join(key.routers),
            moment(key.created_at),
            moment(key.expires_at),
            _state(key),
        )
        for key in keys
    ]
    columns = ("id", "secret", "label", "scopes", "routers", "created", "expires", "state")
    print_table(columns, rows, "no keys yet")


@app.command("show")
def show(key_id: Id, config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """Show one key, without its secret."""
    with managed(config, database_url) as management:
        key = get_api_key(management, key_id)
    if json:
        print_view(key)
        return
    shown = key.model_dump(exclude={"object", "secret", "limits", "usage"})
    rows = [(name, moment(value) if name.endswith("_at") else _plain(value)) for name, value in shown.items()]
    rows += [(name, _plain(value)) for name, value in key.limits.model_dump(exclude_none=True).items()]
    for period, used in key.usage.model_dump().items():
        rows.append((f"used: {period}", ", ".join(f"{value:,.6g} {name}" for name, value in used.items())))
    print_table(("field", "value"), rows, "")


@app.command("set")
def change(
    key_id: Id,
    label: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="The scopes from now on; may be repeated.")] = None,
    router: Annotated[list[str] | None, typer.Option(help="The routers from now on, or all; may be repeated.")] = None,
    expires: Annotated[str | None, typer.Option(help="Lifetime from now on: 12h, 90d, 1y, or never.")] = None,
    requests_per_minute: Requests = None,
    tokens_per_minute: Tokens = None,
    usd_per_day: UsdPerDay = None,
    usd_per_month: UsdPerMonth = None,
    model: Models = None,
    task: Tasks = None,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Change a key. Running gateways follow within seconds."""
    values: dict[str, object] = {}
    if label is not None:
        _check_label(label)
        values["label"] = label
    if scope:
        values["scopes"] = _scopes(scope)
    if router:
        values["routers"] = None if router == ["all"] else router
    if expires is not None:
        values["expires_at"] = None if expires == "never" else _end_of(expires)
    if limits := _limits(requests_per_minute, tokens_per_minute, usd_per_day, usd_per_month, model, task):
        values["limits"] = limits
    if not values:
        raise CommandError("nothing to change: give --label, --scope, --router, --expires or a limit", 2)
    with managed(config, database_url, dry_run=dry_run) as management:
        key = change_api_key(management, key_id, values)
    report(key, f"{key_id} ({key.label}) {is_or_would_be(dry_run)} changed: {', '.join(values)}", json=json)


@app.command("rotate")
def rotate(
    key_id: Id,
    overlap: Annotated[str, typer.Option(help="How long the former key still works: 1h, 7d, or 0.")] = "1h",
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Create a key like this one, which itself ends after the overlap. The new secret is alone on stdout."""
    seconds = 0.0 if overlap == "0" else seconds_of(overlap)
    with managed(config, database_url, dry_run=dry_run) as management:
        key = rotate_api_key(management, key_id, seconds)
    if json:
        print_view(key)
    else:
        say(f"{key_id} ends {moment(time.time() + seconds)}; its successor:")
        _tell_secret(key)


@app.command("revoke")
def revoke(
    key_id: Id,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Revoke a key for good. Running gateways follow within seconds."""
    with managed(config, database_url, dry_run=dry_run) as management:
        former = get_api_key(management, key_id)
        key = revoke_api_key(management, key_id)
    told = f"{key_id} ({key.label}) {is_or_would_be(dry_run)} revoked"
    if former.revoked_at is not None:
        told = f"{key_id} was revoked already, at {moment(former.revoked_at)}"
    report(key, told, json=json)


def _plain(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _tell_secret(key: ApiKeyView) -> None:
    where = f"on {', '.join(key.routers)}" if key.routers else "on all routers"
    told = f"{key.id} ({key.label}): {', '.join(key.scopes)} {where}, expires {moment(key.expires_at)}"
    if key.secret is None:
        say(f"{told}; not made: a dry run")
        return
    say(f"{told}; shown only now:")
    typer.echo(key.secret)


def _scopes(named: list[str]) -> list[str]:
    for each in named:
        if each not in SCOPES:
            raise CommandError(f"--scope must be one of {', '.join(SCOPES)}, not {each!r}", 2)
    return list(dict.fromkeys(named))


def _limits(
    requests_per_minute: _Limit,
    tokens_per_minute: _Limit,
    usd_per_day: _Limit,
    usd_per_month: _Limit,
    models: _Names,
    tasks: _Names,
) -> dict[str, object]:
    """The limits that were given; what is no number is left to the check that all callers share."""
    numbers = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "usd_per_day": usd_per_day,
        "usd_per_month": usd_per_month,
    }
    limits: dict[str, object] = {name: _number(text) for name, text in numbers.items() if text is not None}
    named = {"models": models, "tasks": tasks}
    return limits | {name: None if names == ["all"] else names for name, names in named.items() if names}


def _number(text: str) -> float | str | None:
    if text == "none":
        return None
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _check_label(label: str) -> None:
    if not label.strip() or len(label) > LONGEST_LABEL:
        raise CommandError(f"--label must be 1 to {LONGEST_LABEL} characters that say what the key is for", 2)


def _end_of(lifetime: str | None) -> float | None:
    return None if lifetime is None else time.time() + seconds_of(lifetime)


def _state(key: ApiKeyView) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "live" if key.expires_at is None or key.expires_at > time.time() else "expired"
