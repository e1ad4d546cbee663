"""`routers`: see, make, change and delete them."""

from __future__ import annotations

import json as json_module
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from gateway.cli.failures import CommandError
from gateway.cli.options import Config, DatabaseUrl, Json, opened, read_settings
from gateway.cli.output import moment, print_json, print_table, say

if TYPE_CHECKING:
    from gateway.catalog.catalog import Catalog
    from storage.records import RouterRecord
    from storage.stores.routers import Routers

app = typer.Typer(no_args_is_help=True)

Settable: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE as in the configuration file; VALUE default unsets. May be repeated."),
]


@app.command("list")
def list_routers(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List all routers."""
    from storage.stores.routers import Routers  # noqa: PLC0415 - not for --help

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
def show(id: str, config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:  # noqa: A002 - the argument's name
    """Show one router: its models and all of its settings."""
    from gateway.routing.objectives import kept_dollars  # noqa: PLC0415 - not for --help
    from gateway.settings.router_options import RouterOptions  # noqa: PLC0415 - not for --help
    from storage.stores.routers import Routers  # noqa: PLC0415 - not for --help

    with opened(config, database_url) as database:
        record = _get(Routers(database), id)
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
    id: Annotated[str, typer.Argument(help="rtr_ and a name of your own.")],  # noqa: A002 - the argument's name
    model: Annotated[list[str], typer.Option(help="A model id; may be repeated.")],
    name: Annotated[str | None, typer.Option(help="For people (default: the id).")] = None,
    options: Settable = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a router."""
    from gateway.routing.edits import new_router  # noqa: PLC0415 - not for --help
    from storage.stores.routers import Routers  # noqa: PLC0415 - not for --help

    values = {**_values(options), "models": model} | ({} if name is None else {"name": name})
    record = new_router(id, values, _catalog(config, database_url), time.time())
    with opened(config, database_url, create=True) as database:
        routers = Routers(database)
        if routers.get(id) is not None:
            raise CommandError(f"there is a router {id} already; change it with `bandit-gateway routers set {id}`")
        routers.put(record)
    say(f"{id} is made: {', '.join(model)}")


@app.command("set")
def set_options(
    id: str,  # noqa: A002 - the argument's name
    model: Annotated[
        list[str] | None, typer.Option(help="The models from now on; may be repeated. Others keep what was learned.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    options: Settable = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Change a router. What the configuration file declares is set again at the next start."""
    from gateway.maintenance.rebuild import keep_router  # noqa: PLC0415 - not for --help
    from gateway.routing.edits import changed_router  # noqa: PLC0415 - not for --help
    from storage.stores.routers import Routers  # noqa: PLC0415 - not for --help

    values = _values(options)
    values |= {"models": model} if model else {}
    values |= {} if name is None else {"name": name}
    if not values:
        raise CommandError("nothing to change: give --model, --name or --set KEY=VALUE", 2)
    catalog = _catalog(config, database_url)
    with opened(config, database_url) as database:
        former = _get(Routers(database), id)
        rebuilt = keep_router(database, changed_router(former, values, catalog, time.time()), former)
    say(f"{id} is changed: {', '.join(values)}" + ("; its statistics are rebuilt" if rebuilt else ""))


@app.command("delete")
def delete(id: str, config: Config = None, database_url: DatabaseUrl = None) -> None:  # noqa: A002 - the argument's name
    """Delete a router. Its ledger stays; a router of the same id takes it up again."""
    from storage.stores.routers import Routers  # noqa: PLC0415 - not for --help

    with opened(config, database_url) as database:
        routers = Routers(database)
        _get(routers, id)
        routers.delete(id)
    say(f"{id} is deleted")


def _get(routers: Routers, router_id: str) -> RouterRecord:
    record = routers.get(router_id)
    if record is None:
        known = ", ".join(each.id for each in routers.all()) or "none"
        raise CommandError(f"there is no router {router_id}; there are {known}")
    return record


def _catalog(config: Path | None, database_url: str | None) -> Catalog:
    from datetime import UTC, datetime  # noqa: PLC0415 - not for --help

    from gateway.catalog.catalog import Catalog  # noqa: PLC0415 - not for --help

    return Catalog(read_settings(config, database_url), datetime.now(UTC))


def _values(options: list[str] | None) -> dict[str, object]:
    """`KEY=VALUE` as in the configuration file; a value that is no TOML is a string, `default` unsets the key."""
    values: dict[str, object] = {}
    for option in options or []:
        key, equals, text = option.partition("=")
        if not equals or not key.strip():
            raise CommandError(f"--set takes KEY=VALUE, such as --set max_attempts=2, not {option!r}", 2)
        value = toml_value(text)
        values[key.strip()] = None if value == "default" else value
    return values


def toml_value(text: str) -> Any:
    """A value as in the configuration file; what is no TOML is a string."""
    import tomllib  # noqa: PLC0415 - not for --help

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _shown(record: RouterRecord) -> dict[str, object]:
    """A router for scripts; its secret stays where it is."""
    from gateway.routing.objectives import kept_dollars  # noqa: PLC0415 - not for --help
    from gateway.settings.router_options import RouterOptions  # noqa: PLC0415 - not for --help

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
