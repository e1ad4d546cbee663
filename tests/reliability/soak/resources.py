"""Resources of the gateway's process: memory, file descriptors, sockets by peer, threads, tasks."""

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import httpx
import psutil

from tests.reliability.soak.gateway import Soaked
from tests.support.processes import RunFailed

QUIET_SECONDS = 20.0
LARGE_ANSWERS_MB = 96.0
"""What the allocator may keep after several answers of 50 MB at once."""
CREEP = 0.05
CREEP_MB = 8.0
FEWEST_SAMPLES = 12


@dataclass(frozen=True, slots=True)
class Held:
    """Resources held at one moment. `upstream` are connections to the provider, idle ones included."""

    memory_mb: float
    descriptors: int  # other than sockets
    threads: int
    clients: int
    upstream: int
    half_closed: int  # the peer has closed, the gateway has not
    tasks: int
    queued: int

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in asdict(self).items())


class Watcher:
    """Measures the resources of one gateway."""

    def __init__(self, soaked: Soaked) -> None:
        self._soaked = soaked
        self._process = psutil.Process(soaked.process.pid)

    def look(self) -> Held:
        """What it holds now, without our own request."""
        metrics = httpx.get(f"{self._soaked.process.url}/metrics", timeout=10.0, trust_env=False).text
        sockets = self._process.net_connections("tcp")
        own, provider = self._soaked.process.port, self._soaked.provider_port
        return Held(
            memory_mb=round(self._process.memory_info().rss / 2**20, 1),
            descriptors=self._process.num_fds() - len(self._process.net_connections("all")),
            threads=self._process.num_threads(),
            clients=sum(each.laddr.port == own and each.status == psutil.CONN_ESTABLISHED for each in sockets),
            upstream=sum(bool(each.raddr) and each.raddr.port == provider for each in sockets),
            half_closed=sum(each.status == psutil.CONN_CLOSE_WAIT for each in sockets),
            tasks=_gauge(metrics, "bandit_gateway_tasks"),
            queued=_gauge(metrics, "bandit_gateway_ledger_queue"),
        )

    def look_when_quiet(self) -> Held:
        """What it holds once no client is connected and nothing is under way, or when the time is up."""
        until = time.monotonic() + QUIET_SECONDS
        while True:
            held = self.look()
            if (held.clients <= 1 and held.queued == 0 and held.half_closed == 0) or time.monotonic() > until:
                return held
            time.sleep(0.1)


def compare(before: Held, after: Held, connections: int) -> list[str]:
    """What has not come back to where it was, as sentences."""
    found = []
    allowed = before.memory_mb + LARGE_ANSWERS_MB
    if after.memory_mb > allowed:
        found.append(f"memory grew from {before.memory_mb} MB to {after.memory_mb} MB")
    then, now = asdict(before), asdict(after)
    grown = [name for name in ("descriptors", "threads", "clients", "tasks") if now[name] > then[name]]
    found += [f"{name} grew from {then[name]} to {now[name]}" for name in grown]
    if after.half_closed or after.queued:
        found.append(f"left over: {after}")
    if after.upstream > max(before.upstream, connections):
        found.append(f"{after.upstream} connections to the provider are open, for {connections} clients")
    return found


def creep(seen: Sequence[Held]) -> list[str]:
    """Whether memory goes on growing: its minimum in the last third exceeds that of the third before."""
    third = len(seen) // 3
    if len(seen) < FEWEST_SAMPLES:
        return []
    earlier = min(held.memory_mb for held in seen[third : 2 * third])
    later = min(held.memory_mb for held in seen[2 * third :])
    if later <= earlier * (1 + CREEP) + CREEP_MB:
        return []
    return [f"memory goes on growing: at least {earlier} MB in the second third, {later} MB in the last"]


def _gauge(metrics: str, name: str) -> int:
    match = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    if match is None:
        raise RunFailed(f"/metrics has no {name}")
    return int(float(match[1]))
