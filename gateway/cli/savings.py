"""`savings`: show what a router saved, against always one of its models."""

from typing import Annotated

import typer

from gateway.cli.commands import new_app
from gateway.cli.database import managed
from gateway.cli.options import Config, DatabaseUrl, Json, Router
from gateway.cli.output import moment, print_table, print_view, tell
from gateway.management.savings import savings
from gateway.management.savings_views import ActualView, EstimateView

app = new_app()


@app.command("savings")
def show_savings(
    router: Router,
    from_: Annotated[
        str | None, typer.Option("--from", help="Seconds since the epoch, or as in 2026-11-25 (default: 30 days).")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="The end (default: now).")] = None,
    baseline: Annotated[str | None, typer.Option(help="A model of the router (default: the best single one).")] = None,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Show what a router saved and gained, against always one of its models."""
    with managed(config, database_url) as management:
        view = savings(management, router, from_, to, baseline)
    if json:
        print_view(view)
        return
    tell(
        f"{view.requests:,} requests from {moment(view.from_at)[:10]} up to {moment(view.to_at)[:10]} cost "
        f"${view.spent_usd:.4f}; {view.used:,} are compared, by means per request with 95% intervals"
    )
    if view.baseline is not None and view.saved_usd is not None:
        tell(f"saved against always {view.baseline}: ${_told(view.saved_usd)}")
    rows = [("this router", *_own(view.actual), "", "", "")]
    rows += [
        (
            each.model,
            _told(each.cost_usd),
            _told(each.quality),
            _told(each.seconds),
            _told(each.worth_difference_usd, 1_000.0),
            f"{each.effective_size:,.0f}",
            each.refused or each.evidence,
        )
        for each in view.fixed
    ]
    columns = ("always", "dollars→", "quality→", "seconds→", "worth of 1,000 less→", "effective size→", "evidence")
    tell("")
    print_table(columns, rows, "")
    for note in view.notes:
        tell(f"note: {note}")


def _own(actual: ActualView | None) -> tuple[str, str, str]:
    if actual is None:
        return "-", "-", "-"
    told = (actual.cost_usd, actual.quality, actual.seconds)
    cost, quality, seconds = ("-" if each is None else f"{each:.4g}" for each in told)
    return cost, quality, seconds


def _told(estimate: EstimateView | None, times: float = 1.0) -> str:
    if estimate is None:
        return "-"
    mean, low, high = (times * each for each in (estimate.mean, estimate.low, estimate.high))
    return f"{mean:.4g} [{low:.4g}, {high:.4g}]"
