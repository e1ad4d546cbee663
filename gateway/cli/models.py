"""`models list`: what the catalog knows; `refresh`: newer facts for it; `resume`: end a cooldown."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bandit.price import TOKEN_RATES, Price
from gateway.catalog.facts import facts_path
from gateway.catalog.refresh import UnusableFacts, read_source, write_facts
from gateway.cli.commands import new_group
from gateway.cli.database import opened
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, Json, read_catalog, read_settings
from gateway.cli.output import print_json, print_table
from storage.stores.resumptions import Resumptions
from storage.stores.routers import Routers

app = new_group("models")

MILLION = 1_000_000


@app.command("list")
def list_models(config: Config = None, json: Json = False) -> None:
    """List the configured models: provider, prices per million tokens, abilities."""
    catalog = read_catalog(config)
    if json:
        print_json(
            [
                {
                    "id": model.id,
                    "provider": model.provider,
                    **_rates(model.price),
                    "long_prompts": {str(tokens): _rates(price) for tokens, price in model.price.longer},
                    "service_tiers": {name: _rates(price) for name, price in model.price.tiers},
                    "context_window": model.context_window,
                    "output_limit": model.output_limit,
                    "reasoning": model.reasoning,
                    "temperature": model.temperature,
                    "abilities": sorted(model.abilities),
                }
                for model in catalog
            ]
        )
        return
    rows = [
        (
            model.id,
            f"{model.price.input_usd * MILLION:,.3f}",
            f"{model.price.cached_input_usd * MILLION:,.3f}",
            f"{model.price.output_usd * MILLION:,.3f}",
            f"{model.context_window:,}" if model.context_window else "-",
            ", ".join(sorted(model.abilities)),
        )
        for model in catalog
    ]
    columns = ("model", "$ in/M→", "$ cached/M→", "$ out/M→", "context→", "abilities")
    print_table(columns, rows, "no models")


def _rates(price: Price) -> dict[str, float]:
    """Prices by their names in the configuration file; those without a price of their own are left out."""
    rates = {name: getattr(price, name) for name in TOKEN_RATES}
    return {f"{name}_per_million": round(usd * MILLION, 9) for name, usd in rates.items() if usd is not None}


@app.command()
def resume(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="PROVIDER/NAME, as `models list` shows it.")],
    config: Config = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Try a parked or cooling model again at once, in every running gateway: its cause is fixed."""
    with opened(config, database_url) as database:
        if not any(model.model_id == model_id for router in Routers(database).all() for model in router.models):
            raise CommandError(f"no router has a model {model_id}; `bandit-gateway routers list` shows which have what")
        Resumptions(database).announce(model_id)
    typer.echo(f"{model_id} is tried again from now on")


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
        typer.echo(f"left out: {why}", err=True)
    models = sum(map(len, facts.providers.values()))
    typer.echo(f"{path}: {models:,} models of {len(facts.providers)} providers, as of {facts.as_of}")
