"""The load generator: keeps a number of connections busy for a time, in a process of its own.

`python -m benchmarks.overhead.generator` reads a `Load` as JSON from standard input and prints a `Measurement` as JSON.
The loop is closed: a connection asks again when its answer is complete. With a `rate` it is open: requests are sent at
that rate whatever the answers do, and latencies count from when a request was due.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from time import perf_counter, process_time

import psutil
import uvloop

from benchmarks.overhead.connection import Asked, ClientProtocol, Tally
from benchmarks.overhead.cpu import cpu_seconds, families
from benchmarks.overhead.script import CHUNKS
from benchmarks.overhead.traffic import Traffic, requests_of

DEADLINE_SECONDS = 60.0
"""A run that takes this much longer than it should fails."""


@dataclass(frozen=True, slots=True)
class Load:
    """A load: for `seconds` after a warm-up or, if `requests` is given, until that many were answered.

    `connections` are those of a closed loop; with a `rate` (requests a second) connections are opened as needed.
    `every_latency` asks for a list of all, not only for percentiles. `reconnecting`: each request opens a connection.
    """

    host: str
    port: int
    paths: list[str]
    connections: int
    stream: bool = False
    pace_ms: int = 0
    seconds: float = 2.0
    warm_up_seconds: float = 0.5
    requests: int | None = None
    key: str | None = None
    model: str = "dari/routing"
    pids: list[int] = field(default_factory=list)
    traffic: str = Traffic.SAME
    rate: float | None = None
    reconnecting: bool = False
    every_latency: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """Results of a load. Percentiles in milliseconds; `cpu_seconds` are the target's, within the measured time."""

    answers: int
    checked: int
    chunks: float
    seconds: float
    cpu_seconds: float
    own_cpu_seconds: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    longest_ms: float
    ttft_p50_ms: float | None
    ttft_p99_ms: float | None
    reconnects: int
    error_count: int
    errors: list[str]
    latencies_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Instant:
    """The counters at one moment."""

    at: float
    cpu_seconds: float
    own_cpu_seconds: float
    body_bytes: int

    @classmethod
    def now(cls, target: list[psutil.Process], tally: Tally) -> "Instant":
        """Read the counters."""
        return cls(perf_counter(), cpu_seconds(target), process_time(), tally.body_bytes)


def http_requests(load: Load) -> list[Asked]:
    """The requests to send in turn: their bytes, headers and all, and whether they ask for a stream."""
    made = requests_of(Traffic(load.traffic), load.model, stream=load.stream, pace_ms=load.pace_ms)
    return [
        (_head(load, load.paths[number % len(load.paths)], len(each.body)) + each.body, each.stream)
        for number, each in enumerate(made)
    ]


def _head(load: Load, path: str, length: int) -> bytes:
    head = [
        f"POST {path} HTTP/1.1",
        f"host: {load.host}:{load.port}",
        "content-type: application/json",
        "accept: application/json",
        f"content-length: {length}",
    ]
    if load.key:
        head.append(f"authorization: Bearer {load.key}")
    if load.reconnecting:
        head.append("connection: close")
    return "\r\n".join(head).encode() + b"\r\n\r\n"


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the sorted values do not exceed (nearest rank)."""
    return values[min(int(share * len(values)), len(values) - 1)]


class Run:
    """One run of a load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._requests = itertools.cycle(http_requests(load))
        self._tally = Tally()
        self._stopping = False
        self._current: dict[int, ClientProtocol] = {}
        self._idle: list[ClientProtocol] = []

    async def measure(self) -> Measurement:
        """Put the load on, and measure."""
        load = self._load
        target = families(load.pids)  # looked up once: it takes milliseconds
        began = Instant.now(target, self._tally)
        if load.rate is None:
            tasks = [asyncio.create_task(self._keep_busy(number)) for number in range(load.connections)]
        else:
            tasks = [asyncio.create_task(self._keep_pace(load.rate))]
        if load.requests is None:
            await asyncio.sleep(load.warm_up_seconds)
            began = Instant.now(target, self._tally)
            await asyncio.sleep(load.seconds)
            ended = Instant.now(target, self._tally)
            await self._stop(tasks)
        else:
            limit = DEADLINE_SECONDS + load.requests / 20
            _, late = await asyncio.wait(tasks, timeout=limit)
            ended = Instant.now(target, self._tally)
            if late:
                self._tally.blame(f"{self._tally.finished} of {load.requests} answers after {limit:.0f} s")
                await self._stop(tasks)
        return self._summary(began, ended)

    async def _stop(self, tasks: "list[asyncio.Task[None]]") -> None:
        self._stopping = True
        for protocol in self._current.values():
            protocol.stop()
        await asyncio.wait(tasks, timeout=DEADLINE_SECONDS)

    async def _keep_busy(self, number: int) -> None:
        """Keep one connection open: a server may close it after an answer."""
        load = self._load
        while not self._stopping and (load.requests is None or self._tally.sent < load.requests):
            protocol = await self._connect(self._next_of_closed_loop)
            if protocol is None:
                return
            self._current[number] = protocol
            await protocol.closed
            if self._tally.error_count:
                return

    async def _keep_pace(self, rate: float) -> None:
        """Send requests at a rate; one that finds no idle connection gets another one."""
        began = perf_counter()
        for number in itertools.count():
            due = began + number / rate
            await asyncio.sleep(due - perf_counter())
            if self._stopping:
                return
            self._idle = [each for each in self._idle if not each.closed.done()]
            protocol = self._idle.pop() if self._idle else await self._connect(self._note_idle)
            if protocol is None:
                return
            self._current[id(protocol)] = protocol
            protocol.ask(next(self._requests), due)

    async def _connect(self, next_request: Callable[[ClientProtocol], Asked | None]) -> ClientProtocol | None:
        load, loop = self._load, asyncio.get_running_loop()
        try:
            _, protocol = await loop.create_connection(
                lambda: ClientProtocol(next_request, self._tally), load.host, load.port
            )
        except OSError as error:
            self._tally.blame(f"no connection to {load.host}:{load.port}: {error}")
            return None
        return protocol

    def _next_of_closed_loop(self, protocol: ClientProtocol) -> Asked | None:
        if self._load.requests is None or self._tally.sent < self._load.requests:
            return next(self._requests)
        protocol.close()
        return None

    def _note_idle(self, protocol: ClientProtocol) -> None:
        if protocol.asked:
            self._idle.append(protocol)

    def _summary(self, began: "Instant", ended: "Instant") -> Measurement:
        tally, load = self._tally, self._load
        inside = [index for index, at in enumerate(tally.ends) if began.at <= at <= ended.at]
        if not inside:
            tally.blame(f"no answer within {ended.at - began.at:.1f} s")
        latencies = sorted(tally.latencies[index] for index in inside) or [0.0]
        firsts = sorted(first for index in inside if (first := tally.first_tokens[index]))
        # Streams that began or end outside of the measured time count with the part that came inside of it.
        streams = (ended.body_bytes - began.body_bytes) / max(self._bytes_per_answer(), 1.0)
        return Measurement(
            answers=len(inside),
            checked=tally.checked,
            chunks=streams * CHUNKS if load.stream else 0.0,
            seconds=ended.at - began.at,
            cpu_seconds=ended.cpu_seconds - began.cpu_seconds,
            own_cpu_seconds=ended.own_cpu_seconds - began.own_cpu_seconds,
            p50_ms=1e3 * percentile(latencies, 0.5),
            p99_ms=1e3 * percentile(latencies, 0.99),
            p999_ms=1e3 * percentile(latencies, 0.999),
            longest_ms=1e3 * latencies[-1],
            ttft_p50_ms=1e3 * percentile(firsts, 0.5) if firsts else None,
            ttft_p99_ms=1e3 * percentile(firsts, 0.99) if firsts else None,
            reconnects=tally.reconnects,
            error_count=tally.error_count,
            errors=tally.errors,
            latencies_ms=[1e3 * each for each in latencies] if load.every_latency else [],
        )

    def _bytes_per_answer(self) -> float:
        return self._tally.finished_bytes / max(self._tally.finished, 1)


def main() -> None:
    """Read the load, run it, print what was measured."""
    load = Load(**json.load(sys.stdin))
    json.dump(asdict(uvloop.run(Run(load).measure())), sys.stdout)


if __name__ == "__main__":
    main()
