"""`routers`: list, show, create, change and delete routers."""

import json as json_module
from typing import Annotated, TypeAlias

import typer

from bandit.types import Epoch
from gateway.cli.commands import new_group
from gateway.cli.database import managed
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, DryRun, Id, Json, setting_value
from gateway.cli.output import is_or_would_be, moment, print_json, print_table, print_view, report, say, tell
from gateway.dollars import dollars
from gateway.maintenance.purge import purge_router
from gateway.maintenance.rebuild import retention_of
from gateway.management.routers import (
    RouterModelView,
    RouterView,
    change_router,
    create_router,
    delete_router,
    get_router,
    list_routers,
    rebuild_router,
    restore_router,
)
from gateway.settings.experiment_options import policy_in_words
from storage.maintenance.retention import DELETED_AT_ONCE
from storage.stores.routers import Routers

app = new_group("routers")

Settable: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE as `routers show` prints it; VALUE default unsets. May be repeated."),
]


@app.command("list")
def list_all(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List all routers."""
    with managed(config, database_url) as management:
        routers = list_routers(management)
    if json:
        print_json([router.model_dump() for router in routers])
        return
    rows = [
        (router.id, router.name, policy_in_words(router.settings), ", ".join(router.enabled_models) or "none enabled")
        for router in routers
    ]
    print_table(("id", "name", "policy", "models"), rows, "no routers yet: `bandit-gateway serve` makes the first")


@app.command("show")
def show(router_id: Id, config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """Show one router: its models and all of its settings."""
    with managed(config, database_url) as management:
        router = get_router(management, router_id)
    if json:
        print_view(router)
        return
    tell(
        f"{router.id}  {router.name}  (revision {router.revision}, created {moment(router.created_at)})\n"
        f"{router.endpoint}\n"
    )
    rows = [
        (
            model.id,
            "enabled" if model.enabled else "disabled",
            f"{model.min_share:.0%} to {model.max_share:.0%}",
            _settings_of(model),
        )
        for model in router.models
    ]
    print_table(("model", "state", "share", "settings"), rows, "no models")
    tell("")
    settings = [(key, _value(value), _source(router, key)) for key, value in router.settings.items()]
    if router.objective_usd is not None:
        parts = (f"{name} {dollars(usd, 4)}" for name, usd in router.objective_usd.model_dump().items())
        settings.append(("objective in dollars", ", ".join(parts), "kept since it was chosen"))
    print_table(("setting", "value", ""), settings, "")


@app.command("create")
def create(
    router_id: Annotated[str, typer.Argument(metavar="ID", help="rtr_ and a name of your choice.")],
    model: Annotated[list[str], typer.Option(help="A model id, or { id = … } with its variants; may be repeated.")],
    name: Annotated[str | None, typer.Option(help="A name to show (default: the id).")] = None,
    options: Settable = None,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Create a router."""
    values = {**_values(options), "id": router_id, "models": _models(model)} | ({} if name is None else {"name": name})
    with managed(config, database_url, create=True, dry_run=dry_run) as management:
        made = create_router(management, values)
        if made.rebuild:
            rebuild_router(management, router_id)
    router = made.router
    report(router, f"{router.id} {is_or_would_be(dry_run)} made: {', '.join(router.enabled_models)}", json=json)


@app.command("set")
def change(
    router_id: Id,
    model: Annotated[
        list[str] | None, typer.Option(help="The models from now on; may be repeated. Others keep what was learned.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name to show.")] = None,
    options: Settable = None,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Change a router. What the configuration file declares is applied again at the next start."""
    values = _values(options)
    values |= {"models": _models(model)} if model else {}
    values |= {} if name is None else {"name": name}
    if not values:
        raise CommandError("nothing to change: give --model, --name or --set KEY=VALUE", 2)
    with managed(config, database_url, dry_run=dry_run) as management:
        changed = change_router(management, router_id, values)
        if changed.rebuild and not dry_run:
            rebuild_router(management, router_id)
    for warning in changed.router.warnings:
        say(warning)
    rebuilt = "; its statistics are rebuilt" if changed.rebuild and not dry_run else ""
    told = f"{router_id} {is_or_would_be(dry_run)} changed: {', '.join(values)}{rebuilt}"
    report(changed.router, told, json=json)


@app.command("delete")
def delete(
    router_id: Id,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Delete a router. Its ledger stays for its `retention_days`; `restore` or a new router of its id continues it."""
    with managed(config, database_url, dry_run=dry_run) as management:
        delete_router(management, router_id)
    done = {"id": router_id, "deleted": not dry_run}
    report(done, f"{router_id} {is_or_would_be(dry_run)} deleted", json=json)


@app.command("restore")
def restore(
    router_id: Id,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Bring a deleted router back as it was, with what was learned."""
    with managed(config, database_url, dry_run=dry_run) as management:
        router = restore_router(management, router_id)
    report(router, f"{router_id} {is_or_would_be(dry_run)} back: {', '.join(router.enabled_models)}", json=json)


@app.command("purge")
def purge(
    router_id: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without a question.")] = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Erase all requests, contents and scores of a router, deleted or not, for good. What was learned stays."""
    with managed(config, database_url) as management:
        database, before = management.database, Epoch(management.now)
        count = retention_of(database).count_before(router_id, before)
        routers = Routers(database)
        if not count and not routers.of([router_id]) and not routers.deleted([router_id]):
            raise CommandError(f"there is no router {router_id}, nor a request of one")
        if not yes and not typer.confirm(f"Erase {count:,} requests of {router_id} for good?"):
            raise typer.Abort

        def tell(erased: int) -> None:
            if erased % (50 * DELETED_AT_ONCE) == 0 and erased:
                say(f"{erased:,} of {count:,} requests are erased")

        erased = purge_router(database, router_id, before, management.actor, tell)
    told = f"{router_id}: {erased:,} requests are erased; backups that were made before still have them"
    report({"id": router_id, "erased": erased}, told, json=json)


def _settings_of(model: RouterModelView) -> str:
    """What a variant sets, in words; empty for a model as it is."""
    told = [f"thinking {model.thinking}" if model.thinking else "", f"tier {model.tier}" if model.tier else ""]
    told += [f"{name} = {json_module.dumps(value)}" for name, value in (model.params or {}).items()]
    return ", ".join(filter(None, told))


def _models(entries: list[str]) -> list[object]:
    """Parse models: ids, or tables of variants as the configuration file has them."""
    return [setting_value(entry) if entry.lstrip().startswith("{") else entry for entry in entries]


def _values(options: list[str] | None) -> dict[str, object]:
    """Parse `KEY=VALUE`, with values as `show` prints them; `default` unsets a key."""
    values: dict[str, object] = {}
    for option in options or []:
        key, equals, text = option.partition("=")
        if not equals or not key.strip():
            raise CommandError(f"--set takes KEY=VALUE, such as --set max_attempts=2, not {option!r}", 2)
        value = setting_value(text)
        values[key.strip()] = None if value == "default" else value
    return values


def _value(value: object) -> str:
    """A setting's value as `--set` takes it."""
    return value if isinstance(value, str) else "default" if value is None else json_module.dumps(value)


def _source(router: RouterView, key: str) -> str:
    if key in router.declared:
        return f"line {router.declared[key]} of the configuration file"
    return "default" if key in router.defaults else ""
