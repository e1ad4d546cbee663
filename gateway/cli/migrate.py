"""`migrate`: bring the database's schema up to date, or move the ledger to another database."""

import time
from contextlib import closing
from typing import Annotated

import typer

from gateway.cli.commands import new_app
from gateway.cli.database import opened
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, Json
from gateway.cli.output import report, say
from gateway.maintenance.rebuild import eval_rebuild_of, rebuild_of, retention_of
from storage.database.engine import Database, open_database
from storage.maintenance.activity_rebuild import ActivityRebuild
from storage.maintenance.fixed_sums_rebuild import FixedSumsRebuild
from storage.maintenance.transfer import copy_ledger
from storage.maintenance.usage import UsageRebuild

app = new_app()

_EVERY_SECONDS = 2.0


@app.command()
def migrate(
    to: Annotated[
        str | None, typer.Option(help="Copy the whole ledger to this database, sqlite:///PATH or postgresql://…")
    ] = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Bring the database's schema up to date (`serve` does this too), or copy the ledger with --to."""
    with opened(config, database_url, create=to is None) as database:
        if to is None:
            report({"database": database.where}, f"the database {database.where} is up to date", json=json)
            return
        with closing(open_database(to)) as target:
            rows = _copy(database, target)
            told = {"database": database.where, "copied_to": target.where, "rows": rows}
            remark = "its statistics equal its ledger; now set database_url, and keep the former database until it is "
            report(told, f"{remark}backed up", json=json)


def _copy(source: Database, target: Database) -> dict[str, int]:
    """Copy the ledger and compare it; returns how many rows each table has."""
    began = said = time.monotonic()

    def tell(table: str, count: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _EVERY_SECONDS:
            said = time.monotonic()
            say(f"{table}: {count:,} rows")

    retention = retention_of(source)
    while retention.fold_some():
        pass  # months that are being retired
    rows = copy_ledger(source, target, tell)
    seconds = time.monotonic() - began
    say(
        f"{sum(rows.values()):,} rows of {len(rows)} tables, {rows['decisions']:,} requests among them, are in "
        f"{target.where} ({seconds:,.1f} s); every table has as many as in {source.where}"
    )
    differences = [
        *rebuild_of(target).check(),
        *eval_rebuild_of(target).check(),
        *UsageRebuild(target).check(),
        *ActivityRebuild(target).check(),
        *FixedSumsRebuild(target).check(),
    ]
    if differences:
        raise CommandError(
            f"{len(differences)} sums differ from the ledger there: see `bandit-gateway rebuild --check` with "
            "either database, and mend them with `rebuild`"
        )
    return dict(rows)
