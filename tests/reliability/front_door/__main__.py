"""Attacks the front door of a gateway, and measures how long a newcomer waits for `/healthz` meanwhile.

Starts `bandit-gateway serve` with a provider, a limit of 1,024 descriptors and a SQLite ledger. During each
attack a process of its own opens a connection for each probe. Exit status 1 if the 99th percentile of an attack is
above the limit, or a probe was not answered.
"""

import argparse
import contextlib
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.reliability.front_door.attacks import ATTACKS, ROUTER, under_attack
from tests.support.faulty_provider.server import run_faults
from tests.support.gateway import GatewayProcess
from tests.support.processes import RunFailed

DESCRIPTORS = 1_024
LIMIT_MS = 50.0
PROBE_SECONDS = 10.0
PAUSE_SECONDS = 0.005
_LAUNCHER = (
    "-c",
    f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}));"
    "from gateway.cli import main; main()",
)


@dataclass(slots=True)
class Measured:
    """Milliseconds of the probes during one attack, what the attackers were answered, and the gateway's memory."""

    attack: str
    times_ms: list[float] = field(default_factory=list)
    failures: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    memory_mb: float = 0.0

    def percentile(self, share: float) -> float:
        """The time below which this share of the probes was answered."""
        ordered = sorted(self.times_ms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("inf")

    @property
    def held(self) -> bool:
        """Whether every probe was answered, and 99% in time."""
        return self.failures == 0 and self.percentile(0.99) <= LIMIT_MS


@contextlib.contextmanager
def launched(folder: Path) -> Iterator[GatewayProcess]:
    """Run a provider and the gateway with its limit of descriptors. Raises RunFailed."""
    with (
        run_faults(folder / "provider.log") as provider_port,
        GatewayProcess(folder, _configuration(folder, provider_port), launcher=_LAUNCHER) as gateway,
    ):
        yield gateway


def _configuration(folder: Path, provider_port: int) -> str:
    return (
        f'database_url = "sqlite:///{folder}/ledger.db"\n[providers.p]\nbase_url = "http://127.0.0.1:{provider_port}/v1"\n'
        f'[models."p/ok"]\nabilities = ["files"]\ncontext_window = 10_000_000\n[routers.{ROUTER}]\nmodels = ["p/ok"]\n'
    )


def probe(port: int, seconds: float, measured: Measured) -> None:
    """Ask for `/healthz` on a new connection each time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
        try:
            connection.request("GET", "/healthz")
            ok = connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            ok = False
        connection.close()
        measured.failures += not ok
        measured.times_ms.append((time.perf_counter() - began) * 1_000.0)
        time.sleep(PAUSE_SECONDS)


def measure(name: str, gateway: GatewayProcess, seconds: float) -> Measured:
    """Attack and probe for that long."""
    measured = Measured(name)
    if name in ATTACKS:
        with under_attack(name, gateway.port, gateway.key, seconds) as told:
            probe(gateway.port, seconds, measured)
            measured.answers = dict(told.get(timeout=60))
    else:
        probe(gateway.port, seconds, measured)
    measured.memory_mb = psutil.Process(gateway.pid).memory_info().rss / 2**20
    return measured


def main() -> None:
    """Run the attacks one after another, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.front_door",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack (default 10)")
    parser.add_argument("--only", choices=sorted(ATTACKS), help="one attack")
    options = parser.parse_args()
    console = Console(stderr=True, width=150)
    found: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="front-door-") as name:
        folder = Path(name)
        try:
            with launched(folder) as gateway:
                for attack in ["nothing", *([options.only] if options.only else ATTACKS)]:
                    console.print(f"{attack} …", highlight=False)
                    found.append(measure(attack, gateway, options.seconds))
        except RunFailed as error:
            sys.exit(str(error))
    table = Table("attack", "probes", "failed", "p50 ms", "p99 ms", "max ms", "MB after", "attackers were answered")
    for each in found:
        times = (f"{each.percentile(share):.1f}" for share in (0.5, 0.99, 1.0))
        answers = ", ".join(f"{answer} × {count:,}" for answer, count in sorted(each.answers.items()))
        table.add_row(
            each.attack, f"{len(each.times_ms):,}", str(each.failures), *times, f"{each.memory_mb:.0f}", answers
        )
    console.print(table)
    told = [{**asdict(each), "times_ms": None, "p99_ms": each.percentile(0.99), "held": each.held} for each in found]
    print(json.dumps(told, indent=1))
    sys.exit(0 if all(each.held for each in found) else 1)


if __name__ == "__main__":
    main()
