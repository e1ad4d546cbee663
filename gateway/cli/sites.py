"""`sites`: list and rename the call sites of a router."""

from typing import Annotated

import typer

from gateway.cli.commands import new_group
from gateway.cli.database import managed
from gateway.cli.options import Config, DatabaseUrl, DryRun, Id, Json
from gateway.cli.output import is_or_would_be, moment, print_json, print_table, report
from gateway.management.call_sites import list_call_sites, rename_call_site

app = new_group("sites")


@app.command("list")
def list_all(router_id: Id, config: Config = None, database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List a router's call sites: requests with the same system prompt, tools and schema."""
    with managed(config, database_url) as management:
        sites = list_call_sites(management, router_id)
    if json:
        print_json([site.model_dump() for site in sites])
        return
    rows = [(site.id, site.name, site.built_in, moment(site.last_used_at)) for site in sites]
    print_table(("id", "name", "starts from", "last used"), rows, "no call sites yet: one has to recur")


@app.command("rename")
def rename(
    router_id: Id,
    call_site_id: Annotated[str, typer.Argument(metavar="CALL_SITE", help="site:… as `sites list` prints it.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 characters.")],
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Rename a call site. What was learned of it stays."""
    with managed(config, database_url, dry_run=dry_run) as management:
        site = rename_call_site(management, router_id, call_site_id, name)
    report(site, f"{site.id} {is_or_would_be(dry_run)} called {site.name}", json=json)
