"""A real gateway on SQLite before the misbehaving provider, both in processes of their own."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.servers import free_port, running, wait_for_port, wait_until_answered
from benchmarks.load.targets import COMMAND_LINE

MIXED, LARGE, ENDLESS = "rtr_mixed", "rtr_large", "rtr_endless"

MODELS = {
    "good": "ok",
    "dripping": "drip",
    "packed": "gzip",
    "shaky": "ok ok reset ok status-500 ok cut ok half-json ok bad-utf8 ok double-done",
    "broken": "ok empty ok cut-early ok 529 ok wrong-type ok cut-reset ok not-http ok half-json-late",
    "limited": "ok ok ok 429 ok ok 429-retry-after ok ok 503-retry-after",
    "unable": "ok ok ok ok 400-field ok ok ok status-400 ok ok ok status-413 ok ok 403-flagged",
    "silent": "ok ok hang ok ok mute ok ok stall",
    "large": "ok huge",
    "endless": "endless ok",
}
"""Model → what its provider does with its requests, in turn."""

SHARED = ("good", "dripping", "packed", "shaky", "broken", "limited", "unable", "silent")

CONFIGURATION = """\
database_url = "sqlite:///{folder}/ledger.db"
listen = "127.0.0.1:{port}"
[providers.faulty]
base_url = "http://127.0.0.1:{provider_port}/v1"
timeout_seconds = 2
idle_seconds = 0.5
{models}
[routers.{mixed}]
models = [{shared}]
policy = "uniform"
request_timeout_seconds = 5
[routers.{large}]
models = ["faulty/large", "faulty/good"]
policy = "fixed:faulty/large"
request_timeout_seconds = 10
[routers.{endless}]
models = ["faulty/endless"]
request_timeout_seconds = 2
"""

FRANK_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc's defaults, kept from adapting: else the room of a large answer is kept, and looks like a leak."""

_MODEL = """\
[models."faulty/{name}"]
upstream_name = "{turns}"
input_usd_per_million = 1
output_usd_per_million = 2
context_window = 100000
abilities = ["tools", "json_schema"]
"""


@dataclass(frozen=True, slots=True)
class Soaked:
    """The gateway's process, where it listens, the key to it, its log and its database."""

    process: subprocess.Popen[bytes]
    port: int
    provider_port: int
    key: str
    log: Path
    database_url: str

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def soaked_gateway(folder: Path) -> Iterator[Soaked]:
    """Start both; at the end both are asked to leave. Raises BenchmarkFailed."""
    key, port, log = secrets.token_hex(24), free_port(), folder / "gateway.log"
    configuration, provider_log = folder / "bandit-gateway.toml", folder / "provider.log"
    with running([sys.executable, "-m", "tests.support.faulty_provider"], provider_log) as provider:
        provider_port = wait_for_port(provider, provider_log)
        configuration.write_text(
            CONFIGURATION.format(
                folder=folder,
                port=port,
                provider_port=provider_port,
                models="".join(_MODEL.format(name=name, turns=turns) for name, turns in MODELS.items()),
                shared=", ".join(f'"faulty/{name}"' for name in SHARED),
                mixed=MIXED,
                large=LARGE,
                endless=ENDLESS,
            )
        )
        command = [sys.executable, *COMMAND_LINE, "serve", "--config", str(configuration)]
        with running(command, log, {"BANDIT_GATEWAY_ADMIN_KEY": key, **FRANK_MEMORY}) as process:
            soaked = Soaked(process, port, provider_port, key, log, f"sqlite:///{folder}/ledger.db")
            wait_until_answered(process, f"{soaked.url}/healthz", log)
            yield soaked
