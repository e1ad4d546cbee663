"""`evals`: scorecards, the scores of models in other evaluations."""

import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.commands import new_group
from gateway.cli.database import opened
from gateway.cli.errors import CommandError
from gateway.cli.options import (
    Config,
    DatabaseUrl,
    Json,
    read_catalog,
)
from gateway.cli.output import moment, print_json, print_table, say
from gateway.ids import new_id
from gateway.routing.scorecards import MAX_BYTES, ScorecardError, read_scorecard, scale_of
from storage.stores.evals import EvalRecord, Evals
from storage.stores.routers import Routers

app = new_group("evals")


@app.command("import")
def import_scorecard(
    file: Annotated[Path, typer.Argument(help="A CSV file: model_id,score[,notes].")],
    name: Annotated[str, typer.Option(help="What was measured, such as MMLU; the same name again replaces it.")],
    metric: Annotated[str, typer.Option(help="The metric, such as accuracy.")],
    unit: Annotated[str, typer.Option(help="percent, fraction, or another one with --min and --max.")],
    minimum: Annotated[float | None, typer.Option("--min", help="The worst possible score.")] = None,
    maximum: Annotated[float | None, typer.Option("--max", help="The best possible score.")] = None,
    router: Annotated[str | None, typer.Option(help="Only for this router (default: all).")] = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Import a scorecard: prior beliefs about models, until a router has scores of its own."""
    now = time.time()
    catalog = read_catalog(config, database_url)
    with opened(config, database_url, create=True) as database:
        routers = Routers(database).all()
        if router is not None and router not in {record.id for record in routers}:
            known = ", ".join(record.id for record in routers) or "none"
            raise CommandError(f"there is no router {router}; there are {known}")
        models = {model.id for model in catalog} | {model.model_id for each in routers for model in each.models}
        try:
            scale = scale_of(unit, minimum, maximum)
            rows = read_scorecard(_read(file), scale, models)
        except ScorecardError as error:
            raise CommandError("\n".join(f"{file}: {problem}" for problem in error.problems)) from None
        evals = Evals(database)
        former = next((each for each in evals.all() if (each.name, each.router_id) == (name, router)), None)
        record = EvalRecord(
            id=former.id if former else new_id("eval", now),
            name=name,
            metric=metric,
            unit=unit,
            minimum=scale.minimum,
            maximum=scale.maximum,
            router_id=router,
            created_at=now,
            rows=rows,
        )
        evals.put(record)
    if json:
        print_json({"id": record.id, "name": name, "rows": len(rows), "replaced": former is not None})
    else:
        say(f"{record.id}: {name}, {len(rows)} models" + (", in place of the former one" if former else ""))


@app.command("list")
def list_scorecards(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List all scorecards."""
    with opened(config, database_url) as database:
        records = Evals(database).all()
    if json:
        print_json(
            [
                {
                    "id": record.id,
                    "name": record.name,
                    "metric": record.metric,
                    "unit": record.unit,
                    "router_id": record.router_id,
                    "created_at": record.created_at,
                    "scores": {row.model_id: row.score for row in record.rows},
                }
                for record in records
            ]
        )
        return
    rows = [
        (
            record.id,
            record.name,
            record.metric,
            record.router_id or "all",
            str(len(record.rows)),
            moment(record.created_at),
        )
        for record in records
    ]
    print_table(("id", "name", "metric", "router", "models→", "imported"), rows, "no scorecards yet")


def _read(file: Path) -> bytes:
    """The file's bytes, up to one more than a scorecard may have."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{file}: can't be read ({error.strerror})", 2) from None
