"""`health`: what is broken in any process that serves the ledger, and what to do."""

import typer

from gateway.cli.commands import new_app
from gateway.cli.database import managed
from gateway.cli.options import Config, DatabaseUrl, Json
from gateway.cli.output import moment, print_table, print_view, tell
from gateway.management.health import get_health

app = new_app()


@app.command()
def health(config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """Show what is broken in any process that serves the ledger, and what to do; exit status 1 if something is."""
    with managed(config, database_url) as management:
        found = get_health(management)
    if json:
        print_view(found)
    else:
        findings = [
            (each.severity, each.text, each.remedy, moment(each.since) if each.since else "-")
            for each in found.findings
        ]
        print_table(("severity", "what", "what to do", "since"), findings, "nothing is wrong")
        tell("")
        rows = [
            (each.host, str(each.pid), each.version, each.ledger or "-", str(each.spooled or 0), moment(each.heard_at))
            for each in found.replicas
        ]
        print_table(("host", "pid→", "version", "ledger", "spooled→", "heard of"), rows, "no gateway serves")
    if any(each.severity == "error" for each in found.findings):
        raise typer.Exit(1)
