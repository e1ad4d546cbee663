"""Commands as a user types them, without a server."""

from typer.testing import CliRunner

from gateway.cli.commands import app
from storage.database.engine import open_database
from storage.records import RouterModel, RouterRecord
from storage.stores.routers import Routers


class Ran:
    """What a command did."""

    def __init__(self, *arguments: str) -> None:
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.status = result.exit_code
        self.out = result.stdout
        self.err = result.stderr


def put_router() -> None:
    database = open_database("sqlite:///bandit-gateway.db")
    models = (RouterModel("simulated/swift"), RouterModel("simulated/sage", enabled=False))
    Routers(database).put(RouterRecord("rtr_a", "A router", b"s" * 32, {"max_attempts": 2}, models, 1.0, 2.0))
    database.close()
