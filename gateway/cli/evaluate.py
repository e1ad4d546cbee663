"""`evaluate`: estimate what another policy, objective or set of models would have cost and scored."""

import time
from pathlib import Path
from typing import Annotated

import typer

from bandit.ope.estimators import Estimate
from bandit.types import Epoch, Objective
from gateway.cli.commands import new_app
from gateway.cli.database import existing_router, opened
from gateway.cli.errors import CommandError
from gateway.cli.options import (
    Config,
    DatabaseUrl,
    Json,
    Router,
    read_catalog,
    seconds_of,
    toml_value,
)
from gateway.cli.output import print_json, print_table
from gateway.reports.evaluation import (
    InvalidQuestion,
    evaluate_router,
    question_of,
    to_json,
)
from gateway.routing.objectives import preset_for
from gateway.settings.router_options import RouterOptions
from storage.records import RouterRecord
from storage.stores.ledger import Ledger

app = new_app()


@app.command()
def evaluate(
    router: Router,
    policy: Annotated[
        str, typer.Option(help="thompson, best, uniform, cheapest, fastest, latency_weighted or fixed:MODEL.")
    ] = "thompson",
    objective: Annotated[
        str | None,
        typer.Option(help="A preset or { quality_usd = …, second_usd = …, failure_usd = … } (default: as logged)."),
    ] = None,
    models: Annotated[str | None, typer.Option(help="Only these, with commas between (default: as logged).")] = None,
    since: Annotated[str, typer.Option(help="How far back to look: 7d, 12h.")] = "30d",
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Estimate from the log alone what another policy, objective or set of models would have cost and scored."""
    now = Epoch(time.time())
    start = Epoch(now - seconds_of(since))
    with opened(config, database_url) as database:
        record = existing_router(database, router)
        known = [model.model_id for model in record.models]
        dollars = _objective(objective, record, config, database_url)
        try:
            question = question_of(router, known, policy, models, dollars)
        except InvalidQuestion as error:
            raise CommandError(f"--{error}", 2) from None
        answer = evaluate_router(Ledger(database), router, question, start, now)
    if json:
        print_json(to_json(answer))
        return
    rows = [
        (
            figure.value,
            _interval(answer.logged.doubly_robust.get(figure)),
            _interval(answer.target.doubly_robust.get(figure)),
            f"{answer.target.effective_size.get(figure, 0.0):,.0f}",
            answer.target.refused.get(figure, ""),
        )
        for figure in (answer.target.effective_size or answer.target.refused)
    ]
    typer.echo(f"{answer.target.decisions} decisions of the last {since}; means per request with 95% intervals\n")
    print_table(("", "as logged→", f"{policy}→", "effective size→", ""), rows, "")
    left_out = {**answer.left_out, **answer.target.left_out}
    for why, count in left_out.items():
        typer.echo(f"left out: {count} ({why})")
    for note in answer.target.notes:
        typer.echo(f"note: {note}")


def _objective(
    text: str | None, record: RouterRecord, config: Path | None, database_url: str | None
) -> Objective | None:
    """The objective in dollars; a preset is converted with the prices of the router's models."""
    if text is None:
        return None

    objective = RouterOptions.from_json({"objective": toml_value(text)}).objective
    catalog = read_catalog(config, database_url)
    return preset_for(objective, record.models, catalog) if isinstance(objective, str) else objective


def _interval(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.mean:.4g} [{estimate.low:.4g}, {estimate.high:.4g}]"
