"""`evals run`: ask every model the same prompts, grade the answers, and keep the scores as evidence."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.catalog.catalog import Catalog, Model, UnknownModel
from gateway.cli.database import managed
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, DryRun, Json, Router
from gateway.cli.output import print_json, print_table, say
from gateway.dollars import dollars
from gateway.evals.journal import Journal, JournalError
from gateway.evals.prompts import STARTER, EvalPrompt, PromptsError, read_file, read_starter
from gateway.evals.rows import rows_of, write_csv
from gateway.evals.run import Estimate, EvalPlan, EvalResult, EvalRun, estimate, open_providers
from gateway.evals.summary import Graded, Summary, summaries, ungraded
from gateway.management.evals import LONGEST_NAME, EvalCaption, EvalView, import_rows
from gateway.routing.variants import ArmVariant, resolve_entry
from gateway.settings import SIMULATED, Settings
from gateway.settings.loading import load, override
from storage.records import RouterModel
from storage.stores.evals import EvalScore
from storage.stores.routers import Routers

MOST_CONCURRENT = 256
MOST_SAID = 5
"""Reasons without a grade that are told per model."""


def run(
    file: Annotated[str, typer.Argument(metavar="FILE|starter", help="Prompts with graders, a JSON object per line.")],
    router: Router,
    models: Annotated[
        list[str] | None, typer.Option(help="Only this model, or one that the router has not; may be repeated.")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="The model that scores answers by a rubric.")] = None,
    max_usd: Annotated[float, typer.Option(help="Stop before more than this is spent.")] = 2.0,
    concurrency: Annotated[int, typer.Option(min=1, max=MOST_CONCURRENT, help="Calls at once.")] = 8,
    timeout: Annotated[float, typer.Option(help="Seconds that one answer may take.")] = 120.0,
    name: Annotated[str | None, typer.Option(help="The eval's name (default: the file's).")] = None,
    state: Annotated[
        Path | None, typer.Option(help="Where answers are kept until the run is complete (default: NAME-ROUTER.run).")
    ] = None,
    rows: Annotated[Path | None, typer.Option(help="Write the scores to this CSV file.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask everything again, what was answered before too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask whether the cost is fine.")] = False,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Ask each enabled model of a router these prompts, grade the answers, and keep the scores as evidence.

    Killed or stopped, it goes on where it was when it is run again: nothing is paid twice.
    """
    if not 0.0 < max_usd <= 1_000_000.0 or not 0.0 < timeout <= 3_600.0:
        raise CommandError("--max-usd must be more than 0 and --timeout up to 3600 seconds", 2)
    prompts = _read(file)
    name = name or (STARTER if file == STARTER else Path(file).stem)
    if not name.strip() or len(name) > LONGEST_NAME:
        raise CommandError(f"--name must have 1 to {LONGEST_NAME} characters", 2)
    settings = override(load(config, os.environ), database_url=database_url)
    asked = _models(settings, config, database_url, router, models)
    plan = EvalPlan(
        prompts=prompts,
        models=[model for model, _ in asked],
        variants={model.id: variant for model, variant in asked if variant is not None},
        judge=_judge(settings, judge, prompts),
        max_usd=max_usd,
        concurrency=concurrency,
        timeout_seconds=timeout,
    )
    path = state or Path(re.sub(r"[^\w.-]+", "-", f"{name}-{router}") + ".run")
    if fresh and path.exists() and not dry_run:
        path.replace(path.with_suffix(".run.old"))
    with _journal(path) as journal:
        before = estimate(plan, journal)
        _say_plan(plan, before, journal)
        if dry_run:
            return
        _confirm(before, yes=yes)
        result = asyncio.run(_run(settings, plan, journal))
    found = rows_of(result.graded)
    if rows is not None:
        _write(rows, found)
    kept = _keep(found, EvalCaption(name, "grade", "fraction", router_id=router), config, database_url)
    if json:
        eval_id = None if kept is None else kept.id
        print_json({"id": eval_id, **_to_json(name, router, path, result, found)})
    else:
        _print(result)
    if kept is not None:
        say(f"{kept.id}: {len(found):,} scores of {name} count for {router} now; `evals withdraw` takes them back")
    _end(result, path)


async def _run(settings: Settings, plan: EvalPlan, journal: Journal) -> EvalResult:
    total = len(plan.prompts) * len(plan.models)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    terminal = Console(stderr=True)
    async with open_providers(settings) as providers:
        with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
            task = bar.add_task("asking", total=total)

            def progress(graded: Graded) -> None:
                bar.advance(task)

            return await EvalRun(plan, providers, journal, progress).run()


def _read(file: str) -> tuple[EvalPrompt, ...]:
    try:
        return read_starter() if file == STARTER else read_file(Path(file))
    except PromptsError as error:
        raise CommandError(str(error), 2) from None
    except OSError as error:
        raise CommandError(f"{file}: can't be read ({error.strerror})", 2) from None


def _models(
    settings: Settings, config: Path | None, database_url: str | None, router_id: str, named: Sequence[str] | None
) -> list[tuple[Model, ArmVariant | None]]:
    """The models and variants to ask, by their arms' ids: those named, else all that are enabled in the router."""
    with managed(config, database_url) as management:
        record = management.existing_router(router_id)
        known = management.known_models(Routers(management.database).all())
    enabled = [model.arm_id for model in record.models if model.enabled]
    arms = {model.arm_id: model for model in record.models}
    for model_id in named or ():
        if model_id not in known and model_id not in arms:  # its scores could not be kept
            raise CommandError(f"--models must be configured or in a router: {model_id[:80]!r} is not", 2)
    catalog = Catalog(settings, datetime.now(UTC))
    if not (named or enabled):
        raise CommandError(f"router {router_id} has no enabled model")
    return [_arm(catalog, arms.get(arm_id, RouterModel(arm_id))) for arm_id in dict.fromkeys(named or enabled)]


def _judge(settings: Settings, judge: str | None, prompts: Sequence[EvalPrompt]) -> Model | None:
    judged = [prompt.prompt_id for prompt in prompts if prompt.needs_judge]
    if judge is None and judged:
        raise CommandError(f"{len(judged)} prompts need a judge, the first is {judged[0]!r}: name one with --judge", 2)
    return _model(Catalog(settings, datetime.now(UTC)), judge) if judge is not None and judged else None


def _arm(catalog: Catalog, entry: RouterModel) -> tuple[Model, ArmVariant | None]:
    """A model, for a variant with the id and the price of its arm, and the variant."""
    try:
        model, variant = resolve_entry(entry, catalog)
    except UnknownModel as error:
        raise CommandError(str(error), 2) from None
    return (model if variant is None else replace(model, id=entry.arm_id, price=variant.price(model))), variant


def _model(catalog: Catalog, model_id: str) -> Model:
    try:
        return catalog.resolve(model_id)
    except UnknownModel as error:
        raise CommandError(str(error), 2) from None


@contextmanager
def _journal(path: Path) -> Iterator[Journal]:
    try:
        with Journal(path) as journal:
            yield journal
    except JournalError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{path}: can't be written ({error.strerror}); name another file with --state") from None


def _say_plan(plan: EvalPlan, before: Estimate, journal: Journal) -> None:
    say(f"{len(plan.prompts):,} prompts to {', '.join(model.id for model in plan.models)}")
    if plan.judge is not None:
        itself = ", its own answers too: models prefer their own" if plan.judge in plan.models else ""
        say(f"judge: {plan.judge.id}{itself}")
    if before.answered:
        say(f"{before.answered:,} of {before.calls:,} answers are in {journal.path}; --fresh asks for all again")
    if journal.spent_usd or journal.lost_usd:
        lost = f", and up to ${journal.lost_usd:.4f} for answers that were lost" if journal.lost_usd else ""
        say(f"spent before: ${journal.spent_usd:.4f}{lost}")
    say(
        f"expected cost: about ${before.expected_usd:.4f}, at most ${before.most_usd:.4f}; "
        f"no call begins that could exceed {dollars(plan.max_usd, 6)} in all"
    )
    if any(model.provider == SIMULATED for model in plan.models):
        say("simulated models say nothing that could be graded: their scores are drawn by their made-up quality")


def _confirm(before: Estimate, *, yes: bool) -> None:
    if yes or before.most_usd <= 0.0:
        return
    if not sys.stdin.isatty():
        raise CommandError("this costs money: confirm with --yes", 2)
    typer.confirm("Ask them?", abort=True, err=True)


def _write(path: Path, rows: Sequence[EvalScore]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            write_csv(rows, file)
    except OSError as error:
        raise CommandError(f"{path}: can't be written ({error.strerror})") from None


def _keep(
    rows: Sequence[EvalScore], caption: EvalCaption, config: Path | None, database_url: str | None
) -> EvalView | None:
    """Keep the scores as evidence of the router, in place of those of an earlier run of this name; None without any."""
    if not rows:
        return None
    with managed(config, database_url) as management:
        return import_rows(management, caption, rows)


def _print(result: EvalResult) -> None:
    columns = ("task", "model", "prompts→", "graded→", "quality→", "90 %→", "$ per 1,000→", "seconds→")
    print_table(columns, [_line(each) for each in summaries(result.graded)], "nothing was asked")
    reasons = ungraded(result.graded)
    for model_id in sorted({model_id for model_id, _ in reasons}):
        mine = [(why, count) for (named, why), count in reasons.most_common() if named == model_id]
        for why, count in mine[:MOST_SAID]:
            say(f"{model_id}: {count:,} without a grade: {why}")
        if len(mine) > MOST_SAID:
            say(f"{model_id}: and {len(mine) - MOST_SAID:,} other reasons")
    say(f"spent: ${result.spent_usd:.4f}")


def _line(each: Summary) -> tuple[str, ...]:
    def figure(value: float | None, digits: int, factor: float = 1.0) -> str:
        return "-" if value is None else f"{factor * value:,.{digits}f}"

    interval = "-" if each.quality_low is None else f"{each.quality_low:.2f} to {each.quality_high:.2f}"
    return (
        each.task or "all",
        each.model_id,
        f"{each.prompts:,}",
        f"{each.graded:,}",
        figure(each.quality, 2),
        interval,
        figure(each.cost_usd, 3, 1_000.0),
        figure(each.seconds, 2),
    )


def _to_json(name: str, router: str, state: Path, result: EvalResult, rows: Sequence[EvalScore]) -> dict[str, object]:
    reasons = ungraded(result.graded)
    return {
        "name": name,
        "router_id": router,
        "rows": len(rows),
        "missing": result.missing,
        "spent_usd": result.spent_usd,
        "judge_usd": sum(each.judge_usd for each in result.graded),
        "limit_reached": result.limit_reached,
        "interrupted": result.interrupted,
        "state": str(state),
        "summaries": [
            {field: getattr(each, field) for field in Summary.__slots__} for each in summaries(result.graded)
        ],
        "ungraded": [
            {"model_id": model_id, "why": why, "count": count} for (model_id, why), count in reasons.most_common()
        ],
    }


def _end(result: EvalResult, state: Path) -> None:
    """Exit with status 1, or 130 after Ctrl-C, if something is missing; it says how to go on."""
    again = f"run it again to go on: what was paid is in {state}"
    if result.interrupted:
        say(f"interrupted, {result.missing:,} answers are missing; {again}")
        raise typer.Exit(130)
    if result.limit_reached:
        raise CommandError(
            f"the limit is reached, {result.missing:,} answers are missing; with a larger --max-usd {again}"
        )
    unanswered = sum(each.answer is None and each.asked for each in result.graded)
    if unanswered:
        raise CommandError(f"{unanswered:,} answers are missing; {again}")
