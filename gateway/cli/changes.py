"""`changes`: who changed which router, key, scorecard or model, and taking a change back."""

import json as json_module
from typing import Annotated

import typer

from gateway.cli.commands import new_group
from gateway.cli.database import managed
from gateway.cli.options import Config, DatabaseUrl, DryRun, Id, Json
from gateway.cli.output import is_or_would_be, moment, print_table, print_view, report, say
from gateway.management.changes import ChangeView, list_changes, revert_change

app = new_group("changes")


@app.command("list")
def list_all(
    target: Annotated[str | None, typer.Option(help="Only those of this router, key or scorecard.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the latest first.", min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="Older ones: `next_cursor` of the page before.")] = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """List changes, the latest first."""
    with managed(config, database_url) as management:
        page = list_changes(management, limit, cursor, target)
    if json:
        print_view(page)
        return
    rows = [(each.id, moment(each.at), _actor(each), each.action, each.target, _difference(each)) for each in page.data]
    print_table(("id", "at", "by", "what", "of", "changed"), rows, "no changes yet")
    if page.next_cursor is not None:
        say(f"older ones: --cursor {page.next_cursor}")


@app.command("revert")
def revert(
    change_id: Id,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Give the changed fields of a router or key their former values again."""
    with managed(config, database_url, dry_run=dry_run) as management:
        made = revert_change(management, change_id)
    by = "" if dry_run else f", by {made.id}"
    report(made, f"{change_id} {is_or_would_be(dry_run)} taken back{by}", json=json)


def _actor(change: ChangeView) -> str:
    actor = change.actor
    return actor.via if actor.key_id is None else f"{actor.label or actor.key_id} ({actor.via})"


def _difference(change: ChangeView) -> str:
    names = dict.fromkeys((*change.before, *change.after))
    told = (f"{name}: {_short(change.before.get(name))} → {_short(change.after.get(name))}" for name in names)
    return "; ".join(told)


def _short(value: object) -> str:
    text = json_module.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"
