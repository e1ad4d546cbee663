"""`routers`: what is kept of each."""

import json as json_module

import typer

from gateway.cli.failures import CommandError
from gateway.cli.options import Config, DatabaseUrl, Json, opened
from gateway.cli.output import moment, print_json, print_table
from storage.records import RouterRecord

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_routers(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List all routers."""
    from storage.routers import Routers  # noqa: PLC0415 - not for --help

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
    from gateway.router_options import RouterOptions  # noqa: PLC0415 - not for --help
    from storage.routers import Routers  # noqa: PLC0415 - not for --help

    with opened(config, database_url) as database:
        records = {record.id: record for record in Routers(database).all()}
    record = records.get(id)
    if record is None:
        raise CommandError(f"there is no router {id}; there are {', '.join(sorted(records)) or 'none'}")
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
    print_table(
        ("setting", "value", ""),
        [(key, _value(value), "" if key in record.settings else "default") for key, value in options.items()],
        "",
    )


def _shown(record: RouterRecord) -> dict[str, object]:
    """A router for scripts; its secret stays where it is."""
    from gateway.router_options import RouterOptions  # noqa: PLC0415 - not for --help

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
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _value(value: object) -> str:
    return value if isinstance(value, str) else "-" if value is None else json_module.dumps(value)
