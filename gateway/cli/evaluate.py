"""`evaluate`: estimate what another policy, objective or set of models would have cost and scored."""

import time
from pathlib import Path
from typing import Annotated

import typer

from bandit.ope.estimates import Estimate, Figure
from bandit.types import Epoch, Objective
from gateway.analyst.answers import evaluation, to_json
from gateway.analyst.log import RouterLog
from gateway.analyst.questions import InvalidQuestion, proposal_of
from gateway.analyst.resolution import existing_rule
from gateway.cli.commands import new_app
from gateway.cli.database import existing_router, managed, opened
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
from gateway.cli.output import print_json, print_table, print_view, tell
from gateway.management.experiments import ComparedExperiment, FigureView, compare_experiment, in_words
from gateway.routing.objectives import preset_for
from gateway.settings.router_options import RouterOptions
from gateway.settings.rule_options import MOST_RULES
from storage.calendar import DAY
from storage.records import RouterRecord
from storage.stores.first_draws import FirstDraws

MOST_DECISIONS = 100_000
"""More would not narrow an interval that matters."""

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
    exploration: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of exploration (default: as logged).")
    ] = None,
    without_rule: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_RULES, help="Leave out the router's rule of this number; 0: its default."),
    ] = None,
    experiment: Annotated[
        bool, typer.Option("--experiment", help="Compare the parts of the router's experiment by what happened.")
    ] = False,
    since: Annotated[str, typer.Option(help="How far back to look: 7d, 12h.")] = "30d",
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Estimate from the log alone what another policy, objective or set of models would have cost and scored."""
    if experiment:
        with managed(config, database_url) as management:
            compared = compare_experiment(management, router, seconds_of(since) / DAY)
        if json:
            print_view(compared)
        else:
            _print_experiment(compared, since)
        return
    now = Epoch(time.time())
    with opened(config, database_url) as database:
        record = existing_router(database, router)
        known = [model.arm_id for model in record.models]
        dollars = _objective(objective, record, config, database_url)
        try:
            without = None if without_rule is None else existing_rule(record, without_rule)
            proposal = proposal_of(router, known, policy, models, dollars, exploration, without)
        except InvalidQuestion as error:
            raise CommandError(f"--{str(error).replace('without_rule', 'without-rule', 1)}", 2) from None
        log = RouterLog(FirstDraws(database), router, seconds_of(since) / DAY, MOST_DECISIONS)
        log.read(now)
        answer = evaluation(log.evidence(now), proposal)
    if json:
        print_json(to_json(answer))
        return
    target, logged = answer.target, answer.logged
    rows = [
        (
            figure.value,
            _interval(logged.doubly_robust.get(figure)),
            _interval(target.doubly_robust.get(figure)),
            _interval(answer.difference.get(figure)),
            f"{target.effective_size.get(figure, 0.0):,.0f}",
            target.refused.get(figure, ""),
        )
        for figure in Figure
    ]
    tell(f"{target.decisions} decisions of the last {since}; means per request with 95% intervals\n")
    print_table(("", "as logged→", f"{policy}→", "difference→", "effective size→", ""), rows, "")
    for why, count in {**answer.left_out, **target.left_out}.items():
        tell(f"left out: {count} ({why})")
    for note in target.notes:
        tell(f"note: {note}")


def _print_experiment(compared: ComparedExperiment, since: str) -> None:
    state = "running" if compared.running else "ended"
    tell(
        f"experiment {compared.id} by {compared.unit} ({state}): {compared.requests:,} requests of the last {since}; "
        "means per request with 95% intervals\n"
    )
    for part in compared.parts:
        tell(f"{part.policy}, share {part.share:g}: {part.requests:,} requests of {part.units:,} {compared.unit}s")
    rows = [
        (
            figure.value,
            part.policy,
            _bounds(part.figures[figure.value]),
            _bounds(apart) if (apart := part.differences.get(figure.value)) else "",
            in_words(figure.value, apart, compared.unit) if apart else "",
        )
        for figure in Figure
        for part in compared.parts
    ]
    tell("")
    print_table(("", "policy", "mean→", f"less {compared.parts[0].policy}→", ""), rows, "")
    if compared.others:
        tell(f"left out: {compared.others} (in another experiment, or with other shares)")
    tell("note: parts are compared by all requests, scores taken to be missing at random within each part")


def _bounds(figure: FigureView) -> str:
    if figure.mean is None:
        return "-"
    return f"{figure.mean:.4g}" + ("" if figure.low is None else f" [{figure.low:.4g}, {figure.high:.4g}]")


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
