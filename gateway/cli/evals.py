"""`evals`: scorecards, the scores of models in other evaluations."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.commands import new_group
from gateway.cli.database import managed
from gateway.cli.errors import CommandError
from gateway.cli.evals_run import run
from gateway.cli.options import Config, DatabaseUrl, DryRun, Id, Json
from gateway.cli.output import is_or_would_be, moment, print_json, print_table, print_view, report
from gateway.errors import BadRequest
from gateway.management.evals import EvalCaption, delete_eval, get_eval, import_eval, list_evals
from gateway.routing.scorecards import MAX_BYTES

app = new_group("evals")
app.command("run")(run)


@app.command("import")
def import_scorecard(
    file: Annotated[Path, typer.Argument(help="A CSV file: model_id,score[,notes].")],
    name: Annotated[str, typer.Option(help="What was measured, such as MMLU; the same name again replaces it.")],
    metric: Annotated[str, typer.Option(help="The metric, such as accuracy.")],
    unit: Annotated[str, typer.Option(help="percent, fraction, or another one with --min and --max.")],
    minimum: Annotated[float | None, typer.Option("--min", help="The worst possible score.")] = None,
    maximum: Annotated[float | None, typer.Option("--max", help="The best possible score.")] = None,
    router: Annotated[str | None, typer.Option(help="Only for this router (default: all).")] = None,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Import a scorecard: prior beliefs about models, until a router has scores of its own."""
    caption = EvalCaption(name, metric, unit, minimum, maximum, router)
    with managed(config, database_url, create=True, dry_run=dry_run) as management:
        replaced = any((each.name, each.router_id) == (name, router) for each in list_evals(management))
        try:
            record = import_eval(management, caption, _read(file))
        except BadRequest as error:
            if not error.problems:
                raise
            raise CommandError("\n".join(f"{file}: {problem}" for _, problem in error.problems)) from None
    told = f"{record.id}: {name}, {len(record.rows)} models" + (", in place of the former one" if replaced else "")
    report({**record.model_dump(), "replaced": replaced}, told, json=json)


@app.command("list")
def list_scorecards(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List all scorecards."""
    with managed(config, database_url) as management:
        records = list_evals(management)
    if json:
        print_json([record.model_dump() for record in records])
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


@app.command("show")
def show(eval_id: Id, config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """Show one scorecard with its scores, mapped to [0, 1]."""
    with managed(config, database_url) as management:
        record = get_eval(management, eval_id)
    if json:
        print_view(record)
        return
    typer.echo(f"{record.id}  {record.name}, {record.metric} in {record.unit}, {record.router_id or 'all routers'}\n")
    print_table(
        ("model", "score→", "notes"), [(row.model_id, f"{row.score:.4f}", row.notes) for row in record.rows], "no rows"
    )


@app.command("delete")
def delete(
    eval_id: Id,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Delete a scorecard. Running gateways forget it within seconds."""
    with managed(config, database_url, dry_run=dry_run) as management:
        delete_eval(management, eval_id)
    report({"id": eval_id, "deleted": not dry_run}, f"{eval_id} {is_or_would_be(dry_run)} deleted", json=json)


def _read(file: Path) -> bytes:
    """The file's bytes, up to one more than a scorecard may have."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{file}: can't be read ({error.strerror})", 2) from None
