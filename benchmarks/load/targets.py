"""What is measured: the gateway (two durabilities), the forwarder, the provider itself, and any named peers."""

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.load.cpu import listening
from benchmarks.load.generator import Load
from benchmarks.load.servers import TARGET_CORE, BenchmarkFailed, free_port, server, wait_until_answered

ROUTER = "rtr_bench"

COMMAND_LINE = ("-c", "from gateway.cli import main; main()")
"""How Python runs `bandit-gateway`, wherever its script is."""

CONFIGURATION = """\
database_url = "sqlite:///{directory}/ledger.db"
durability = "{durability}"
listen = "127.0.0.1:{port}"

[providers.bench]
kind = "openai"
base_url = "{provider_url}"
{models}
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
    """A server that answers chat completions, and how it is asked."""

    name: str
    host: str
    port: int
    path: str
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
    ) -> Load:
        """A load on this target."""
        return Load(
            self.host,
            self.port,
            self.path,
            connections,
            stream,
            pace_ms,
            seconds,
            warm_up_seconds,
            requests,
            self.key,
            self.model,
            self.pids,
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """Another gateway, started by somebody else and pointed at the same provider."""

    name: str
    url: str
    key: str | None = None
    model: str = "bench"


def provider_target(port: int) -> Target:
    """The provider without anything between: what the load generator and the provider cost."""
    return Target("provider", "127.0.0.1", port, "/v1/chat/completions", listening(port))


def peer_target(peer: Peer) -> Target:
    """A running peer; its CPU and memory are seen where its process is ours to see. Raises BenchmarkFailed."""
    parts = urlsplit(peer.url)
    if parts.scheme != "http" or not parts.hostname:
        raise BenchmarkFailed(f"--peer {peer.name}={peer.url}: must be a base URL like http://127.0.0.1:4000/v1")
    port = parts.port or 80
    path = f"{parts.path.rstrip('/')}/chat/completions"
    return Target(peer.name, parts.hostname, port, path, listening(port), peer.key, peer.model)


@contextmanager
def forwarder(provider_port: int, directory: Path) -> Iterator[Target]:
    """The bare forwarder, running."""
    port, log = free_port(), directory / "forwarder.log"
    provider_url = f"http://127.0.0.1:{provider_port}/v1"
    command = [sys.executable, "-m", "benchmarks.load.forwarder", "--port", str(port), "--provider", provider_url]
    with server(command, TARGET_CORE, log) as process:
        wait_until_answered(process, f"http://127.0.0.1:{port}/", log)
        yield Target("forwarder", "127.0.0.1", port, "/v1/chat/completions", [process.pid], log=log)


def write_configuration(directory: Path, provider_port: int, port: int, durability: str) -> Path:
    """The gateway's configuration: five models of one provider in one router, SQLite beside it."""
    models = "".join(
        MODEL.format(name=name, input_usd=prices[0], cached_usd=prices[1], output_usd=prices[2])
        for name, prices in PRICES.items()
    )
    path = directory / "bandit-gateway.toml"
    path.write_text(
        CONFIGURATION.format(
            directory=directory,
            durability=durability,
            port=port,
            provider_url=f"http://127.0.0.1:{provider_port}/v1",
            models=models,
            router=ROUTER,
            listed=", ".join(f'"bench/{name}"' for name in PRICES),
        )
    )
    return path


@contextmanager
def gateway(
    provider_port: int,
    directory: Path,
    *,
    name: str = "gateway",
    durability: str = "commit",
    launcher: Sequence[str] = COMMAND_LINE,
) -> Iterator[Target]:
    """The real `bandit-gateway serve`. `launcher`: what Python runs in its place, with the same arguments."""
    home = directory / name
    home.mkdir()
    port, log = free_port(), home / "serve.log"
    configuration = write_configuration(home, provider_port, port, durability)
    key = secrets.token_hex(24)
    command = [sys.executable, *launcher, "serve", "--config", str(configuration)]
    with server(command, TARGET_CORE, log, {"BANDIT_GATEWAY_ADMIN_KEY": key}) as process:
        wait_until_answered(process, f"http://127.0.0.1:{port}/healthz", log)
        path = f"/{ROUTER}/chat/completions"
        yield Target(name, "127.0.0.1", port, path, [process.pid], key, log=log)
