"""`evals`: scores of models in evaluations, as evidence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.commands import new_group
from gateway.cli.database import managed
from gateway.cli.errors import CommandError
from gateway.cli.evals_run import run
from gateway.cli.options import Config, DatabaseUrl, DryRun, Id, Json
from gateway.cli.output import is_or_would_be, moment, print_json, print_table, print_view, report, tell
from gateway.errors import BadRequest
from gateway.evidence.problems import Problems
from gateway.evidence.reading import NumberedRows, lines_of, read_csv, read_json_lines, read_parquet
from gateway.evidence.repeated import LARGEST
from gateway.management.evals import EvalCaption, delete_eval, get_eval, import_eval, list_evals, withdraw_eval

app = new_group("evals")
app.command("run")(run)


@app.command("import")
def import_scorecard(
    file: Annotated[Path, typer.Argument(help="CSV, .jsonl or .parquet: prompt_id, task, model_id, score, …")],
    name: Annotated[str, typer.Option(help="What was measured, such as MMLU; the same name again replaces it.")],
    metric: Annotated[str, typer.Option(help="The metric, such as accuracy.")],
    unit: Annotated[str, typer.Option(help="percent, fraction, or another one with --min and --max.")],
    minimum: Annotated[float | None, typer.Option("--min", help="The worst possible score.")] = None,
    maximum: Annotated[float | None, typer.Option("--max", help="The best possible score.")] = None,
    router: Annotated[str | None, typer.Option(help="Only for this router (default: all).")] = None,
    made: Annotated[str | None, typer.Option(help="The day it was made, as 2026-08-01 (default: today).")] = None,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Import an evaluation: scores of models, row by row or as means, that count beside users' scores."""
    with managed(config, database_url, create=True, dry_run=dry_run) as management, _opened(file) as read:
        caption = EvalCaption(name, metric, unit, minimum, maximum, router, _made_at(made, management.now))
        replaced = any((each.name, each.router_id) == (name, router) for each in list_evals(management))
        try:
            record = import_eval(management, caption, read)
        except BadRequest as error:
            if not error.problems:
                raise
            raise CommandError("\n".join(f"{file}: {problem}" for _, problem in error.problems)) from None
    models, prompts = {row.model_id for row in record.rows}, sum(row.prompts for row in record.rows)
    told = f"{record.id}: {name}, {len(models)} models, {prompts:,.0f} scores"
    told += ", in place of the former one" if replaced else ""
    if dry_run and prompts > LARGEST:
        told += f"; later rows than {LARGEST:,} were compared with these and the 2,000 beside them, but not with all"
    report({**record.model_dump(), "replaced": replaced}, told, json=json)


@app.command("list")
def list_scorecards(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List all evaluations."""
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
            str(len({row.model_id for row in record.rows})),
            f"{sum(row.prompts for row in record.rows):,.0f}",
            moment(record.made_at),
            "" if record.withdrawn_at is None else moment(record.withdrawn_at),
        )
        for record in records
    ]
    head = ("id", "name", "metric", "router", "models→", "scores→", "made", "withdrawn")
    print_table(head, rows, "no evaluations yet")


@app.command("show")
def show(eval_id: Id, config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """Show one evaluation with its mean scores, mapped to [0, 1]."""
    with managed(config, database_url) as management:
        record = get_eval(management, eval_id)
    if json:
        print_view(record)
        return
    tell(f"{record.id}  {record.name}, {record.metric} in {record.unit}, {record.router_id or 'all routers'}\n")
    if record.withdrawn_at is not None:
        tell(f"withdrawn on {moment(record.withdrawn_at)}: it does not count\n")
    rows = [
        (row.task or "-", row.model_id, f"{row.score:.4f}", f"{row.prompts:g}", _amount(row.cost_usd), row.notes)
        for row in record.rows
    ]
    print_table(("task", "model", "score→", "prompts→", "$ an answer→", "notes"), rows, "no rows")


@app.command("withdraw")
def withdraw(
    eval_id: Id,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Stop an evaluation from counting; it stays to be seen. Running gateways follow within seconds."""
    with managed(config, database_url, dry_run=dry_run) as management:
        withdraw_eval(management, eval_id)
    report({"id": eval_id, "withdrawn": not dry_run}, f"{eval_id} {is_or_would_be(dry_run)} withdrawn", json=json)


@app.command("delete")
def delete(
    eval_id: Id,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Delete an evaluation. Running gateways forget it within seconds."""
    with managed(config, database_url, dry_run=dry_run) as management:
        delete_eval(management, eval_id)
    report({"id": eval_id, "deleted": not dry_run}, f"{eval_id} {is_or_would_be(dry_run)} deleted", json=json)


def _amount(usd: float | None) -> str:
    return "-" if usd is None else f"{usd:.2g}"


def _made_at(day: str | None, now: float) -> float:
    """The instant of a day, as an evaluation's rows fade from it."""
    if day is None:
        return now
    try:
        return min(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp(), now)
    except ValueError:
        raise CommandError(f"--made: must be a day such as 2026-08-01, not {day}", 2) from None


@contextmanager
def _opened(file: Path) -> Iterator[Callable[[Problems], NumberedRows]]:
    """What reads the rows of a file, by its suffix."""
    if file.suffix.lower() == ".parquet":
        yield lambda _: read_parquet(file)
        return
    read = read_json_lines if file.suffix.lower() in {".jsonl", ".ndjson", ".json"} else read_csv
    try:
        stream = file.open("rb")
    except OSError as error:
        raise CommandError(f"{file}: can't be read ({error.strerror})", 2) from None
    with stream:
        yield lambda problems: read(lines_of(stream), problems)
