"""The gateway to soak, on SQLite, before the faulty provider: both are child processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.faulty_provider.server import run_faults
from tests.support.gateway import GatewayProcess

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
"""Model → the faults that its requests meet, in turn."""

SHARED = ("good", "dripping", "packed", "shaky", "broken", "limited", "unable", "silent")

CONFIGURATION = """\
database_url = "sqlite:///{folder}/ledger.db"
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
"""Keeps glibc's thresholds from adapting: it would keep the memory of a large answer, which looks like a leak."""

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
    """The gateway's process, its provider's port, and its database."""

    process: GatewayProcess
    provider_port: int
    database_url: str


@contextmanager
def run_gateway(folder: Path) -> Iterator[Soaked]:
    """Run the gateway and its provider. Raises RunFailed."""
    with run_faults(folder / "provider.log") as provider_port:
        configuration = CONFIGURATION.format(
            folder=folder,
            provider_port=provider_port,
            models="".join(_MODEL.format(name=name, turns=turns) for name, turns in MODELS.items()),
            shared=", ".join(f'"faulty/{name}"' for name in SHARED),
            mixed=MIXED,
            large=LARGE,
            endless=ENDLESS,
        )
        with GatewayProcess(folder, configuration, environ=FRANK_MEMORY) as process:
            yield Soaked(process, provider_port, f"sqlite:///{folder}/ledger.db")
