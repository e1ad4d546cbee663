"""The gateway that the clients talk to: a child process with simulated models and one that cuts its streams."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.faulty_provider.server import run_faults
from tests.support.gateway import GatewayProcess, run_command
from tests.support.processes import tail

ROUTER = "rtr_clients"
MODELS = ("simulated/swift", "simulated/steady", "simulated/sage")

_CONFIGURATION = """\
database_url = "{database}"

[routers.{router}]
name = "Clients"
models = [{models}]
policy = "cheapest"
exploration = 0.0

[providers.faulty]
kind = "openai"
base_url = "{faults_url}"
"""
_CUT = """
[models."faulty/{client}"]
upstream_name = "cut"

[routers.{router}]
models = ["faulty/{client}"]
"""


@dataclass(frozen=True, slots=True)
class Served:
    """The URL of the gateway, a key with the scope `routing`, one with `admin`, and the log."""

    url: str
    key: str
    admin_key: str
    log: Path

    def unhandled(self) -> str:
        """The end of its log if that has a traceback, else ""."""
        return tail(self.log) if "Traceback" in self.log.read_text(errors="replace") else ""


def cut_router(client: str) -> str:
    """The router whose only model cuts its streams; one for each client, as three failures open a circuit breaker."""
    return f"rtr_cut_{client.replace('-', '_')}"


def configuration(clients: Iterable[str], database: str, faults_url: str) -> str:
    """The gateway's TOML. The cheapest simulated model always answers, unless instructions name another."""
    listed = ", ".join(f'"{model}"' for model in MODELS)
    text = _CONFIGURATION.format(database=database, router=ROUTER, models=listed, faults_url=faults_url)
    return text + "".join(_CUT.format(client=client, router=cut_router(client)) for client in clients)


@contextlib.contextmanager
def run_gateway(clients: Iterable[str]) -> Iterator[Served]:
    """Run the gateway with a temporary SQLite ledger. Raises RunFailed."""
    with tempfile.TemporaryDirectory(prefix="clients-") as name:
        folder = Path(name)
        with run_faults(folder / "provider.log") as provider_port:
            database = f"sqlite:///{folder}/ledger.db"
            run_command("migrate", "--database-url", database)
            scope = ["--scope", "routing", "--label", "clients"]
            key = run_command("keys", "create", *scope, "--database-url", database)
            text = configuration(clients, database, f"http://127.0.0.1:{provider_port}/v1")
            with GatewayProcess(folder, text) as process:
                yield Served(process.url, key, process.key, process.log)
