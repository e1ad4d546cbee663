"""The gateway that the clients talk to: a process of its own, simulated models, and one that cuts its streams."""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.servers import BenchmarkFailed, free_port, running, tail, wait_until_answered
from benchmarks.load.targets import COMMAND_LINE
from tests.support.faulty_provider.server import serve_faults

ROUTER = "rtr_clients"
MODELS = ("simulated/swift", "simulated/steady", "simulated/sage")

_CONFIGURATION = """\
listen = "127.0.0.1:{port}"

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
    """Where the gateway answers, a key with the scope `routing`, and what the gateway says on its terminal."""

    url: str
    key: str
    log: Path

    def unhandled(self) -> str:
        """The end of its log, if it met an error that it had no answer to."""
        return tail(self.log) if "Traceback" in self.log.read_text(errors="replace") else ""


def cut_router(client: str) -> str:
    """The router whose only model cuts its streams; one for each client, as a model that failed thrice rests."""
    return f"rtr_cut_{client.replace('-', '_')}"


def configuration(clients: Iterable[str], port: int, faults_url: str) -> str:
    """The gateway's TOML. The cheapest simulated model always answers, unless instructions name another."""
    listed = ", ".join(f'"{model}"' for model in MODELS)
    text = _CONFIGURATION.format(port=port, router=ROUTER, models=listed, faults_url=faults_url)
    return text + "".join(_CUT.format(client=client, router=cut_router(client)) for client in clients)


@contextlib.asynccontextmanager
async def gateway(clients: Iterable[str]) -> AsyncGenerator[Served, None]:
    """`bandit-gateway serve` with a temporary SQLite ledger. Raises BenchmarkFailed."""
    with tempfile.TemporaryDirectory(prefix="clients-") as name:
        folder, port = Path(name), free_port()
        async with serve_faults() as faults:
            path, log = folder / "bandit-gateway.toml", folder / "serve.log"
            path.write_text(configuration(clients, port, faults.base_url))
            where = ["--config", str(path), "--database-url", f"sqlite:///{folder}/ledger.db"]
            await asyncio.to_thread(_run, "migrate", *where)
            key = await asyncio.to_thread(_run, "keys", "create", "--scope", "routing", "--label", "clients", *where)
            command = [sys.executable, *COMMAND_LINE, "serve", *where]
            with running(command, log) as process:
                url = f"http://127.0.0.1:{port}"
                await asyncio.to_thread(wait_until_answered, process, f"{url}/healthz", log)
                yield Served(url, key, log)


def _run(*arguments: str) -> str:
    """A command of `bandit-gateway`, and what it says on stdout. Raises BenchmarkFailed."""
    ran = subprocess.run([sys.executable, *COMMAND_LINE, *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise BenchmarkFailed(f"bandit-gateway {' '.join(arguments)}:\n{ran.stderr}")
    return ran.stdout.strip()
