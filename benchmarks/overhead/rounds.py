"""Rounds: every target under every load in turn, several times, so that a ratio compares one run's figures."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.overhead.generator import Measurement
from benchmarks.overhead.servers import put_load_on
from benchmarks.overhead.targets import Target
from benchmarks.overhead.traffic import MIXED_REQUESTS, MIXED_ROUTERS, Traffic
from tests.support.processes import RunFailed, tail

PACE_MS = 5


@dataclass(frozen=True, slots=True)
class Phase:
    """One kind of load. `pace_ms` lies between a stream's chunks; 0: as fast as the client reads."""

    name: str
    title: str
    connections: int
    stream: bool = False
    pace_ms: int = 0
    traffic: Traffic = Traffic.SAME
    rate: float | None = None  # requests a second, sent whatever the answers do
    reconnecting: bool = False
    least_seconds: float = 0.0


C1 = Phase("c1", "1 connection", 1)
C32 = Phase("c32", "32 connections", 32)
C256 = Phase("c256", "256 connections", 256)
NEW = Phase("new32", "32 clients, a connection for each request", 32, reconnecting=True)
STREAM = Phase("stream32", f"32 streams, a chunk each {PACE_MS} ms", 32, stream=True, pace_ms=PACE_MS)
STREAM_FULL = Phase("stream32_full", "32 streams, as fast as can be", 32, stream=True)
STREAMS = Phase("stream2000", "2,000 streams, a chunk each 250 ms", 2_000, stream=True, pace_ms=250, least_seconds=30.0)
STEADY = Phase("same_1000rps", "1,000 requests/s", 0, rate=1_000.0, least_seconds=10.0)
MIXED = Phase(
    "mixed32", f"{MIXED_REQUESTS:,} prompts on {MIXED_ROUTERS} routers, 32 connections", 32, traffic=Traffic.MIXED
)
MIXED_ONE = Phase("mixed32_one", "the same prompts on one router", 32, traffic=Traffic.MIXED_ONE)
RATES = tuple(
    Phase(
        f"mixed_{rate}rps",
        f"the mix with streams, {rate} requests/s",
        0,
        traffic=Traffic.MIXED_STREAMS,
        rate=rate,
        least_seconds=seconds,
    )
    for rate, seconds in ((1, 60.0), (5, 30.0), (50, 10.0))
)
AGENTS = tuple(
    Phase(traffic, f"an agent's {title} tools, 1 connection", 1, traffic=traffic, least_seconds=3.0)
    for traffic, title in (
        (Traffic.AGENT_18K, "18 kB with 20"),
        (Traffic.AGENT_114K, "114 kB with 80"),
        (Traffic.AGENT_1M, "1 MB with 200"),
    )
)
USUAL = (C1, C32, C256, STREAM, STREAM_FULL)
PHASES = (*USUAL, NEW, STREAMS, STEADY, MIXED, MIXED_ONE, *RATES, *AGENTS)

Results = dict[str, dict[str, list[Measurement]]]
"""Target → phase → one measurement per round."""


def measure_rounds(
    targets: Sequence[Target],
    phases: Sequence[Phase],
    rounds: int,
    seconds: float,
    warm_up_seconds: float,
    done: Callable[[str], None],
) -> Results:
    """Measure all; `done` is called after each measurement. Raises RunFailed at the first wrong answer."""
    results: Results = {target.name: {phase.name: [] for phase in phases} for target in targets}
    for number in range(rounds):
        for phase in phases:
            # Rotate who goes first, so that what a phase leaves behind does not always hit the same target.
            for target in [*targets[number % len(targets) :], *targets[: number % len(targets)]]:
                load = target.load(
                    phase.connections,
                    stream=phase.stream,
                    pace_ms=phase.pace_ms,
                    seconds=max(seconds, phase.least_seconds),
                    warm_up_seconds=warm_up_seconds,
                    traffic=phase.traffic,
                    rate=phase.rate,
                    reconnecting=phase.reconnecting,
                )
                try:
                    measured = put_load_on(load)
                except RunFailed as error:
                    log = f"\n{target.name} said:\n{tail(target.log)}" if target.log else ""
                    raise RunFailed(f"{target.name}, {phase.title}: {error}{log}") from None
                results[target.name][phase.name].append(measured)
                done(f"{target.name}, {phase.title}")
    return results


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, and the lowest and highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of one value per round, at least one."""
        return cls(statistics.median(values), min(values), max(values))


def rps(measured: Measurement) -> float:
    """Answers per second."""
    return measured.answers / measured.seconds


def chunks_per_second(measured: Measurement) -> float:
    """Content chunks per second."""
    return measured.chunks / measured.seconds


def cpu_us_per_answer(measured: Measurement) -> float:
    """The target's CPU microseconds for one answer."""
    return 1e6 * measured.cpu_seconds / max(measured.answers, 1)


def cpu_us_per_chunk(measured: Measurement) -> float:
    """The target's CPU microseconds for one content chunk."""
    return 1e6 * measured.cpu_seconds / max(measured.chunks, 1.0)
