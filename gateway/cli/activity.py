"""`activity`: what happened over time, by model and by API key."""

from typing import Annotated, TypeAlias

import typer

from gateway.cli.commands import new_group
from gateway.cli.database import managed
from gateway.cli.options import Config, DatabaseUrl, Json
from gateway.cli.output import moment, print_table, print_view
from gateway.management.activity import ActivityQuestion, filter_options, of_keys, of_models, overview
from gateway.management.activity_views import ActivityView
from gateway.management.activity_window import Window

app = new_group("activity")

From: TypeAlias = Annotated[
    str | None,
    typer.Option("--from", help="Seconds since the epoch, or as in 2026-11-25T12:00Z (default: a day before)."),
]
To: TypeAlias = Annotated[str | None, typer.Option("--to", help="The end (default: now).")]
Bucket: TypeAlias = Annotated[int | None, typer.Option(help="Seconds of a bucket, such as 3600 or 86400.")]
OfRouter: TypeAlias = Annotated[str | None, typer.Option(help="Only this router.")]
OfTask: TypeAlias = Annotated[str | None, typer.Option(help="Only this class of requests.")]
OfModel: TypeAlias = Annotated[list[str] | None, typer.Option(help="Only this model; may be given several times.")]
OfKey: TypeAlias = Annotated[list[str] | None, typer.Option(help="Only this key; may be given several times.")]

_COLUMNS = ("requests→", "answered→", "failed→", "dollars→", "p50 s→", "p95 s→", "score→")


@app.command("overview")
def show_overview(
    from_: From = None,
    to: To = None,
    bucket_seconds: Bucket = None,
    router: OfRouter = None,
    model: OfModel = None,
    task: OfTask = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Show requests, waits, dollars and scores over time."""
    window, question = _asked(from_, to, bucket_seconds, router, model, task)
    with managed(config, database_url) as management:
        view = overview(management, window, question)
    if json:
        print_view(view)
        return
    rows = [(moment(each.at), *_cells(each)) for each in view.series]
    print_table(("from", *_COLUMNS), [*rows, ("all", *_cells(view.summary))], "")


@app.command("models")
def show_models(
    from_: From = None,
    to: To = None,
    bucket_seconds: Bucket = None,
    router: OfRouter = None,
    model: OfModel = None,
    task: OfTask = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Show the same by model."""
    window, question = _asked(from_, to, bucket_seconds, router, model, task)
    with managed(config, database_url) as management:
        view = of_models(management, window, question)
    if json:
        print_view(view)
        return
    rows = [(each.model, f"{each.share:.1%}", *_cells(each)) for each in view.models]
    print_table(("model", "share→", *_COLUMNS), rows, "no requests in this time")


@app.command("keys")
def show_keys(
    from_: From = None,
    to: To = None,
    bucket_seconds: Bucket = None,
    key: OfKey = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Show requests, tokens and dollars by API key."""
    with managed(config, database_url) as management:
        view = of_keys(management, Window(from_=from_, to=to, bucket_seconds=bucket_seconds), key or ())
    if json:
        print_view(view)
        return
    rows = [
        (each.api_key_id, each.label or "-", str(each.requests), str(each.tokens), f"{each.cost_usd:.4f}")
        for each in view.keys
    ]
    print_table(("key", "label", "requests→", "tokens→", "dollars→"), rows, "no requests in this time")


@app.command("options")
def show_options(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """Show what activity can be filtered by."""
    with managed(config, database_url) as management:
        view = filter_options(management)
    if json:
        print_view(view)
        return
    rows = [(each.id, each.name) for each in (*view.routers, *view.api_keys)]
    rows += [(model, "model") for model in view.models] + [(task, "task") for task in view.tasks]
    print_table(("id", "name"), rows, "nothing is configured")


def _asked(
    from_: str | None,
    to: str | None,
    seconds: int | None,
    router: str | None,
    model: list[str] | None,
    task: str | None,
) -> tuple[Window, ActivityQuestion]:
    window = Window(from_=from_, to=to, bucket_seconds=seconds)
    return window, ActivityQuestion(router_id=router, model=tuple(model or ()), task=task)


def _cells(view: ActivityView) -> tuple[str, ...]:
    numbers = (view.seconds.p50, view.seconds.p95, view.mean_score)
    told = ("-" if each is None else f"{each:.3g}" for each in numbers)
    return str(view.requests), str(view.answered), str(view.failed), f"{view.cost_usd:.4f}", *told
