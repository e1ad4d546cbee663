"""`models list`: what the catalog knows; `refresh`: newer facts for it; `resume`: end a cooldown."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.catalog.facts import facts_path
from gateway.catalog.refresh import UnusableFacts, read_source, write_facts
from gateway.cli.commands import new_group
from gateway.cli.database import managed
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, Json, read_settings
from gateway.cli.output import print_json, print_table, report, say
from gateway.management.models import list_models, resume_model

app = new_group("models")


@app.command("list")
def list_all(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List the configured models: provider, prices per million tokens, abilities."""
    with managed(config, database_url, create=True) as management:
        models = list_models(management)
    if json:
        print_json([model.model_dump() for model in models])
        return
    rows = [
        (
            model.id,
            *(f"{model.price[f'{name}_usd_per_million']:,.3f}" for name in ("input", "cached_input", "output")),
            f"{model.context_window:,}" if model.context_window else "-",
            ", ".join(model.abilities),
        )
        for model in models
    ]
    columns = ("model", "$ in/M→", "$ cached/M→", "$ out/M→", "context→", "abilities")
    print_table(columns, rows, "no models")


@app.command()
def resume(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="PROVIDER/NAME, as `models list` shows it.")],
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Try a parked or cooling model again at once, in every running gateway: its cause is fixed."""
    with managed(config, database_url) as management:
        resume_model(management, model_id)
    report({"id": model_id, "resumed": True}, f"{model_id} is tried again from now on", json=json)


@app.command()
def refresh(
    source: Annotated[Path, typer.Option("--from", help="models.dev's api.json, downloaded.")],
    target: Annotated[
        Path | None, typer.Option("--to", help="The file to write (default: the configuration's).")
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day of the facts, else today.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Renew what is known of models: abilities, limits and prices. A gateway that starts afterwards uses it."""
    settings = read_settings(config)
    path = target or facts_path(settings)
    if path is None:
        raise CommandError(
            'a PostgreSQL database has no place for it: set models_file = "PATH", or name one with --to', 2
        )
    day = (as_of or datetime.now(UTC)).date()
    try:
        facts, wrong = read_source(source, day, settings.providers)
        write_facts(facts, path)
    except UnusableFacts as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{path}: can't be written ({error.strerror})") from None
    for why in wrong:
        say(f"left out: {why}")
    models = sum(map(len, facts.providers.values()))
    made = {"file": str(path), "models": models, "as_of": str(facts.as_of), "left_out": list(wrong)}
    report(made, f"{path}: {models:,} models of {len(facts.providers)} providers, as of {facts.as_of}", json=json)
