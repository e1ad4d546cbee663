"""`models list`: what the catalog knows."""

from gateway.cli.commands import new_group
from gateway.cli.options import Config, Json, read_catalog
from gateway.cli.output import print_json, print_table

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
                    "input_usd_per_million": round(model.price.input_usd * MILLION, 9),
                    "cached_input_usd_per_million": round(model.price.cached_input_usd * MILLION, 9),
                    "output_usd_per_million": round(model.price.output_usd * MILLION, 9),
                    "context_window": model.context_window,
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
