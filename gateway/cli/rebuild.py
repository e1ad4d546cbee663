"""`rebuild`: recompute the statistics and the activity from the ledger, or compare them with it."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from bandit.statistics import Sums
from gateway.cli.commands import new_app
from gateway.cli.database import existing_router, opened
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, Json
from gateway.cli.output import moment, print_json, print_table, say, tell
from gateway.maintenance.rebuild import eval_rebuild_of, rebuild_of
from storage.activity import Cell
from storage.fixed_sums import Cell as FixedCell
from storage.key_usage import Usage
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.maintenance.fixed_sums_rebuild import FixedSumsRebuild
from storage.maintenance.future import FutureEvents
from storage.maintenance.usage import UsageDifference, UsageRebuild

app = new_app()


@app.command()
def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit status 1 on a difference.")] = False,
    router: Annotated[str | None, typer.Option(help="Only this router (default: all).")] = None,
    move_back: Annotated[
        bool, typer.Option("--move-back", help="First move what is recorded later than now, by a wrong clock, to now.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Move without a question.")] = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Recompute the statistics and the activity from the ledger. Gateways may keep serving meanwhile."""
    if move_back and (check or router is not None):
        raise CommandError("--move-back is for all routers, and changes the ledger: give it alone", 2)
    with opened(config, database_url) as database:
        if move_back:
            now = moment(database.clock.now())
            if not yes and not typer.confirm(f"It is {now} by the database's clock. Is that right?"):
                raise typer.Abort
            moved = FutureEvents(database).move_back()
            say(f"{moved:,} requests were recorded later than now, and are moved to now")
        if router is not None:
            existing_router(database, router)
        # On a terminal alone: each step reads all requests, which takes minutes if there are millions.
        with Console(stderr=True).status("reading the ledger for the statistics") as status:
            rebuilding = rebuild_of(database)
            differences = rebuilding.check(router) if check else rebuilding.run(router)
            usage: list[UsageDifference] = []
            if router is None:
                evals = eval_rebuild_of(database)
                differences += evals.check() if check else evals.run()
                status.update("reading the ledger for the usage of keys")
                usage = UsageRebuild(database).check() if check else UsageRebuild(database).run()
            status.update("reading the ledger for activity")
            counting = ActivityRebuild(database)
            cells = counting.check(router) if check else counting.run(router)
            status.update("reading the ledger for savings")
            summing = FixedSumsRebuild(database)
            sums = summing.check(router) if check else summing.run(router)
    equal = not differences and not usage and not cells and not sums
    if json:
        print_json(
            {
                "equal": equal,
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
                "usage": [
                    {**each.cell._asdict(), "kept": each.kept._asdict(), "folded": each.folded._asdict()}
                    for each in usage
                ],
                "activity": [{**each.cell._asdict(), "columns": each.columns()} for each in cells],
                "fixed_sums": [{**each.cell._asdict(), "columns": each.columns()} for each in sums],
            }
        )
    elif equal:
        tell("equal: the statistics and the activity are the sum of the ledger")
    if differences and not json:
        rows = [(*map(str, each.key), _sums(each.kept), _sums(each.folded)) for each in differences]
        print_table(("router", "model", "task", "signal", "kept (n, sum, squares)", "ledger"), rows, "")
        tell(f"{len(differences)} statistics " + ("differ" if check else "differed and are mended"))
    if usage and not json:
        days = [
            (each.cell.key_id, moment(each.cell.start)[:10], _used(each.kept), _used(each.folded)) for each in usage
        ]
        print_table(("key", "day", "kept (requests, tokens, dollars)", "ledger"), days, "")
        tell(f"{len(usage)} days of keys " + ("differ" if check else "differed and are mended"))
    if cells and not json:
        columns = [
            (*map(str, each.cell), name, *map(str, pair)) for each in cells for name, pair in each.columns().items()
        ]
        print_table((*Cell._fields, "column", "kept", "ledger"), columns, "")
        tell(f"{len(cells)} cells of activity " + ("differ" if check else "differed and are mended"))
    if sums and not json:
        columns = [
            (*map(str, each.cell), name, *map(str, pair)) for each in sums for name, pair in each.columns().items()
        ]
        print_table((*FixedCell._fields, "column", "kept", "ledger"), columns, "")
        tell(f"{len(sums)} sums of savings " + ("differ" if check else "differed and are mended"))
    if check and not equal:
        raise typer.Exit(1)


def _used(usage: Usage) -> str:
    return f"{usage.requests:,}, {usage.tokens:,}, {usage.cost_usd:.6g}"


def _sums(sums: Sums | None) -> str:
    return "-" if sums is None else f"{sums.weight:.6g}, {sums.total:.6g}, {sums.squares:.6g}"
