"""`routers`: list, show, create, change and delete routers."""

import json as json_module
import time
from dataclasses import asdict
from typing import Annotated, TypeAlias

import typer

from gateway.cli.commands import new_group
from gateway.cli.database import existing_router, opened
from gateway.cli.errors import CommandError
from gateway.cli.options import (
    Config,
    DatabaseUrl,
    Id,
    Json,
    read_catalog,
    toml_value,
)
from gateway.cli.output import moment, print_json, print_table, say
from gateway.maintenance.rebuild import keep_router
from gateway.routing.edits import changed_router, new_router
from gateway.routing.objectives import kept_dollars
from gateway.settings.router_options import RouterOptions
from storage.records import RouterRecord
from storage.stores.routers import Routers

app = new_group("routers")

Settable: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE as in the configuration file; VALUE default unsets. May be repeated."),
]


@app.command("list")
def list_routers(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List all routers."""
    with opened(config, database_url) as database:
        records = Routers(database).all()
    if json:
        print_json([_shown(record) for record in records])
        return
    rows = [
        (
            record.id,
            record.name,
            str(record.settings.get("policy", "thompson")),
            ", ".join(model.model_id for model in record.models if model.enabled) or "none enabled",
        )
        for record in records
    ]
    print_table(("id", "name", "policy", "models"), rows, "no routers yet: `bandit-gateway serve` makes the first")


@app.command("show")
def show(router_id: Id, config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """Show one router: its models and all of its settings."""
    with opened(config, database_url) as database:
        record = existing_router(database, router_id)
    if json:
        print_json(_shown(record))
        return
    typer.echo(f"{record.id}  {record.name}  (created {moment(record.created_at)})\n")
    rows = [
        (
            model.model_id,
            "enabled" if model.enabled else "disabled",
            f"{model.min_share:.0%} to {model.max_share:.0%}",
        )
        for model in record.models
    ]
    print_table(("model", "state", "share"), rows, "no models")
    typer.echo("")
    options = RouterOptions.from_json(record.settings).to_json()
    settings = [(key, _value(value), "" if key in record.settings else "default") for key, value in options.items()]
    if (dollars := kept_dollars(record)) is not None:
        parts = (f"{name} ${usd:.4g}" for name, usd in asdict(dollars).items())
        settings.append(("objective in dollars", ", ".join(parts), "kept since it was chosen"))
    print_table(("setting", "value", ""), settings, "")


@app.command("create")
def create(
    router_id: Annotated[str, typer.Argument(metavar="ID", help="rtr_ and a name of your choice.")],
    model: Annotated[list[str], typer.Option(help="A model id; may be repeated.")],
    name: Annotated[str | None, typer.Option(help="A name to show (default: the id).")] = None,
    options: Settable = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create a router."""
    values = {**_values(options), "models": model} | ({} if name is None else {"name": name})
    record = new_router(router_id, values, read_catalog(config, database_url), time.time())
    with opened(config, database_url, create=True) as database:
        routers = Routers(database)
        if routers.get(router_id) is not None:
            remedy = f"change it with `bandit-gateway routers set {router_id}`"
            raise CommandError(f"there is a router {router_id} already; {remedy}")
        keep_router(database, record)
    say(f"{router_id} is made: {', '.join(model)}")


@app.command("set")
def set_options(
    router_id: Id,
    model: Annotated[
        list[str] | None, typer.Option(help="The models from now on; may be repeated. Others keep what was learned.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name to show.")] = None,
    options: Settable = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Change a router. What the configuration file declares is applied again at the next start."""
    values = _values(options)
    values |= {"models": model} if model else {}
    values |= {} if name is None else {"name": name}
    if not values:
        raise CommandError("nothing to change: give --model, --name or --set KEY=VALUE", 2)
    catalog = read_catalog(config, database_url)
    with opened(config, database_url) as database:
        former = existing_router(database, router_id)
        rebuilt = keep_router(database, changed_router(former, values, catalog, time.time()))
    say(f"{router_id} is changed: {', '.join(values)}" + ("; its statistics are rebuilt" if rebuilt else ""))


@app.command("delete")
def delete(router_id: Id, config: Config = None, database_url: DatabaseUrl = None) -> None:
    """Delete a router. Its ledger stays for its `retention_days`, and a new router of its id continues it."""
    with opened(config, database_url) as database:
        existing_router(database, router_id)
        Routers(database).delete(router_id, time.time())
    say(f"{router_id} is deleted")


def _values(options: list[str] | None) -> dict[str, object]:
    """Parse `KEY=VALUE`, with values as in the configuration file; `default` unsets a key."""
    values: dict[str, object] = {}
    for option in options or []:
        key, equals, text = option.partition("=")
        if not equals or not key.strip():
            raise CommandError(f"--set takes KEY=VALUE, such as --set max_attempts=2, not {option!r}", 2)
        value = toml_value(text)
        values[key.strip()] = None if value == "default" else value
    return values


def _shown(record: RouterRecord) -> dict[str, object]:
    """A router as JSON, without its secret."""
    dollars = kept_dollars(record)
    return {
        "id": record.id,
        "name": record.name,
        "models": [
            {
                "id": model.model_id,
                "enabled": model.enabled,
                "min_share": model.min_share,
                "max_share": model.max_share,
            }
            for model in record.models
        ],
        "settings": RouterOptions.from_json(record.settings).to_json(),
        "objective_usd": None if dollars is None else asdict(dollars),
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _value(value: object) -> str:
    return value if isinstance(value, str) else "-" if value is None else json_module.dumps(value)
