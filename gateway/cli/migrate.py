"""`migrate`: bring the database's schema up to date."""

from gateway.cli.commands import new_app
from gateway.cli.database import opened
from gateway.cli.options import Config, DatabaseUrl
from gateway.cli.output import say

app = new_app()


@app.command()
def migrate(config: Config = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database's schema up to date (`serve` does this too)."""
    with opened(config, database_url, create=True) as database:
        say(f"the database {database.where} is up to date")
