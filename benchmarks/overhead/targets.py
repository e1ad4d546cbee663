"""Targets of the measurement: the gateway (two durabilities), the forwarder, the provider alone, and peers."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.overhead.cpu import listening
from benchmarks.overhead.generator import Load
from benchmarks.overhead.servers import TARGET_CORE
from benchmarks.overhead.traffic import Traffic
from tests.support.gateway import COMMAND_LINE, GatewayProcess
from tests.support.processes import RunFailed, running, wait_for_port

ROUTER = "rtr_bench"

CONFIGURATION = """\
database_url = "{database_url}"
durability = "{durability}"

[providers.bench]
kind = "openai"
base_url = "{provider_url}"
{models}
"""

ROUTER_TABLE = """
[routers.{router}]
name = "Overhead"
models = [{listed}]
"""

MODEL = """
[models."bench/{name}"]
input_usd_per_million = {input_usd}
cached_input_usd_per_million = {cached_usd}
output_usd_per_million = {output_usd}
context_window = 200000
abilities = ["tools", "json_schema", "vision"]
"""

PRICES = {
    "ant": (0.1, 0.01, 0.4),
    "bee": (0.25, 0.025, 2.0),
    "cat": (1.0, 0.1, 5.0),
    "dog": (1.25, 0.125, 10.0),
    "elk": (3.0, 0.3, 15.0),
}
"""Model → dollars per million tokens: input, cached input, output."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that answers chat completions, and how to ask it."""

    name: str
    host: str
    port: int
    paths: list[str]
    pids: list[int] = field(default_factory=list)
    key: str | None = None
    model: str = "dari/routing"
    log: Path | None = None

    def load(
        self,
        connections: int,
        *,
        stream: bool = False,
        pace_ms: int = 0,
        seconds: float = 2.0,
        warm_up_seconds: float = 0.5,
        requests: int | None = None,
        traffic: Traffic = Traffic.SAME,
        rate: float | None = None,
        reconnecting: bool = False,
    ) -> Load:
        """A load on this target."""
        return Load(
            self.host,
            self.port,
            self.paths if traffic.routers > 1 else self.paths[:1],
            connections,
            stream,
            pace_ms,
            seconds,
            warm_up_seconds,
            requests,
            self.key,
            self.model,
            self.pids,
            traffic,
            rate,
            reconnecting,
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """Another gateway, started by somebody else and pointed at the same provider."""

    name: str
    url: str
    key: str | None = None
    model: str = "bench"


def provider_target(port: int) -> Target:
    """The provider alone: what the load generator and the provider cost."""
    return Target("provider", "127.0.0.1", port, ["/v1/chat/completions"], listening(port))


def peer_target(peer: Peer) -> Target:
    """A running peer; its CPU and memory are measured if we may see its process. Raises RunFailed."""
    parts = urlsplit(peer.url)
    if parts.scheme != "http" or not parts.hostname:
        raise RunFailed(f"--peer {peer.name}={peer.url}: must be a base URL like http://127.0.0.1:4000/v1")
    port = parts.port or 80
    path = f"{parts.path.rstrip('/')}/chat/completions"
    return Target(peer.name, parts.hostname, port, [path], listening(port), peer.key, peer.model)


@contextmanager
def forwarder(provider_port: int, directory: Path) -> Iterator[Target]:
    """The bare forwarder, running."""
    log = directory / "forwarder.log"
    provider_url = f"http://127.0.0.1:{provider_port}/v1"
    command = [sys.executable, "-m", "benchmarks.overhead.forwarder", "--provider", provider_url]
    with running(command, log, core=TARGET_CORE) as process:
        port = wait_for_port(process, log)
        yield Target("forwarder", "127.0.0.1", port, ["/v1/chat/completions"], [process.pid], log=log)


def router_ids(routers: int) -> list[str]:
    """The ids of so many routers."""
    return [ROUTER, *(f"{ROUTER}_{number}" for number in range(1, routers))]


def configuration(
    provider_port: int, folder: Path, durability: str = "commit", routers: int = 1, database_url: str | None = None
) -> str:
    """The gateway's configuration: SQLite in this folder, or this database, and five models in each router."""
    models = "".join(
        MODEL.format(name=name, input_usd=prices[0], cached_usd=prices[1], output_usd=prices[2])
        for name, prices in PRICES.items()
    )
    listed = ", ".join(f'"bench/{name}"' for name in PRICES)
    general = CONFIGURATION.format(
        database_url=database_url or f"sqlite:///{folder}/ledger.db",
        durability=durability,
        provider_url=f"http://127.0.0.1:{provider_port}/v1",
        models=models,
    )
    return general + "".join(ROUTER_TABLE.format(router=each, listed=listed) for each in router_ids(routers))


def gateway_process(
    provider_port: int,
    folder: Path,
    durability: str = "commit",
    launcher: Sequence[str] = COMMAND_LINE,
    checkout: Path | None = None,
    routers: int = 1,
    database_url: str | None = None,
) -> GatewayProcess:
    """A gateway on the targets' core. `checkout`: with the sources of another commit."""
    environ = {"PYTHONDONTWRITEBYTECODE": ""}  # an installed gateway has its bytecode: compiling doubles a start
    if checkout is not None:
        environ["PYTHONPATH"] = str(checkout.resolve())
    return GatewayProcess(
        folder,
        configuration(provider_port, folder, durability, routers, database_url),
        launcher=launcher,
        core=TARGET_CORE,
        environ=environ,
        drain_seconds=0.0 if checkout is None else None,
    )


@contextmanager
def gateway(
    provider_port: int,
    directory: Path,
    *,
    name: str = "gateway",
    durability: str = "commit",
    launcher: Sequence[str] = COMMAND_LINE,
    checkout: Path | None = None,
    routers: int = 1,
    database_url: str | None = None,
) -> Iterator[Target]:
    """The gateway in a new folder of this name. `launcher`: what Python runs instead, with the same arguments.

    `checkout`: the sources of another commit, in place of these. `database_url` None: SQLite.
    """
    home = directory / name
    home.mkdir()
    with gateway_process(provider_port, home, durability, launcher, checkout, routers, database_url) as process:
        paths = [f"/{each}/chat/completions" for each in router_ids(routers)]
        yield Target(name, "127.0.0.1", process.port, paths, [process.pid], process.key, log=process.log)
