"""`evaluate`, `export` and `rebuild`: what the ledger says."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.failures import CommandError
from gateway.cli.keys import seconds_of
from gateway.cli.options import Config, DatabaseUrl, Json, opened, read_settings
from gateway.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from bandit.ope.estimators import Estimate
    from bandit.types import Objective, Sums
    from storage.database.engine import Database
    from storage.records import RouterRecord

Router = Annotated[str, typer.Option(help="The router's id.")]


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
    from bandit.types import Epoch  # noqa: PLC0415 - not for --help
    from gateway.reports.evaluation import (  # noqa: PLC0415 - not for --help
        InvalidQuestion,
        Question,
        evaluate_router,
        to_json,
    )
    from storage.stores.ledger import Ledger  # noqa: PLC0415 - not for --help

    now = Epoch(time.time())
    start = Epoch(now - seconds_of(since))
    with opened(config, database_url) as database:
        record = _router(database, router)
        question = Question(
            policy=policy,
            objective=_objective(objective, record, config, database_url),
            models=None if models is None else _known_models(models, record),
        )
        try:
            answer = evaluate_router(Ledger(database), router, question, start, now)
        except InvalidQuestion as error:
            raise CommandError(f"--{error}", 2) from None
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


def export(
    router: Router,
    format: Annotated[str, typer.Option(help="csv, jsonl or parquet.")] = "csv",  # noqa: A002 - the option's name
    output: Annotated[Path | None, typer.Option(help="The file to write (default: standard output).")] = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Export a router's ledger, a row per request, in constant memory."""
    from gateway.reports.export import FORMATS, ExportError, write, write_file  # noqa: PLC0415 - not for --help
    from storage.stores.ledger import Ledger  # noqa: PLC0415 - not for --help

    if format not in FORMATS:
        raise CommandError(f"--format must be one of {', '.join(FORMATS)}, not {format!r}", 2)
    if output is None and format == "parquet":
        raise CommandError("Parquet is no text: name a file with --output", 2)
    with opened(config, database_url) as database:
        _router(database, router)
        rows = Ledger(database).export(router)
        try:
            count = write(rows, format, sys.stdout.buffer) if output is None else write_file(rows, format, output)
        except ExportError as error:
            raise CommandError(str(error)) from None
    say(f"{count:,} requests" + (f" in {output}" if output else ""))


def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit status 1 on a difference.")] = False,
    router: Annotated[str | None, typer.Option(help="Only this router (default: all).")] = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Recompute the statistics from the ledger, while gateways may go on serving."""
    from gateway.maintenance.rebuild import rebuild_of  # noqa: PLC0415 - not for --help

    with opened(config, database_url) as database:
        if router is not None:
            _router(database, router)
        rebuilding = rebuild_of(database)
        differences = rebuilding.check(router) if check else rebuilding.run(router)
    if json:
        print_json(
            {
                "equal": not differences,
                "differences": [
                    {
                        "router_id": each.key.router_id,
                        "model_id": each.key.model_id,
                        "task": each.key.task,
                        "signal": each.key.signal,
                        "kept": None if each.kept is None else asdict(each.kept),
                        "folded": None if each.folded is None else asdict(each.folded),
                    }
                    for each in differences
                ],
            }
        )
    elif not differences:
        typer.echo("equal: the statistics are the sum of the ledger")
    else:
        rows = [(*map(str, each.key), _sums(each.kept), _sums(each.folded)) for each in differences]
        print_table(("router", "model", "task", "signal", "kept (n, sum, squares)", "ledger"), rows, "")
        typer.echo(f"{len(differences)} statistics " + ("differ" if check else "differed and are mended"))
    if check and differences:
        raise typer.Exit(1)


def _sums(sums: Sums | None) -> str:
    return "-" if sums is None else f"{sums.weight:.6g}, {sums.total:.6g}, {sums.squares:.6g}"


def _router(database: Database, router_id: str) -> RouterRecord:
    from storage.stores.routers import Routers  # noqa: PLC0415 - not for --help

    routers = Routers(database)
    record = routers.get(router_id)
    if record is None:
        known = ", ".join(each.id for each in routers.all()) or "none"
        raise CommandError(f"there is no router {router_id}; there are {known}")
    return record


def _known_models(text: str, record: RouterRecord) -> tuple[str, ...]:
    from gateway.reports.evaluation import InvalidQuestion, models_of  # noqa: PLC0415 - not for --help

    try:
        return models_of(text, record.id, {model.model_id for model in record.models})
    except InvalidQuestion as error:
        raise CommandError(f"--{error}", 2) from None


def _objective(
    text: str | None, record: RouterRecord, config: Path | None, database_url: str | None
) -> Objective | None:
    """The objective in dollars; a preset is multiplied out with the prices of the router's models."""
    if text is None:
        return None
    from datetime import UTC, datetime  # noqa: PLC0415 - not for --help

    from gateway.catalog.catalog import Catalog  # noqa: PLC0415 - not for --help
    from gateway.cli.routers import toml_value  # noqa: PLC0415 - not for --help
    from gateway.routing.objectives import preset_for  # noqa: PLC0415 - not for --help
    from gateway.settings.router_options import RouterOptions  # noqa: PLC0415 - not for --help

    objective = RouterOptions.from_json({"objective": toml_value(text)}).objective
    catalog = Catalog(read_settings(config, database_url), datetime.now(UTC))
    return preset_for(objective, record.models, catalog) if isinstance(objective, str) else objective


def _interval(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.mean:.4g} [{estimate.low:.4g}, {estimate.high:.4g}]"
