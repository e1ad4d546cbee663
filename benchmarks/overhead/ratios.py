"""Ratios of the gateway to the forwarder within one round, and the goal of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.overhead.generator import Measurement
from benchmarks.overhead.rounds import (
    AGENTS,
    C1,
    C32,
    MIXED,
    MIXED_ONE,
    RATES,
    STEADY,
    STREAM,
    STREAM_FULL,
    STREAMS,
    Phase,
    Results,
    Spread,
    cpu_us_per_answer,
    cpu_us_per_chunk,
    rps,
)

Round = Mapping[str, Mapping[str, Measurement]]
"""Target → phase → measurement of one round."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of a round. `goal` is its upper or lower bound."""

    name: str
    title: str
    value: Callable[[Round], float]
    goal: float
    at_least: bool = False

    def reached(self, value: float) -> bool:
        """Whether a value meets the goal."""
        return value >= self.goal if self.at_least else value <= self.goal


def _added_ms(target: str, one: Round) -> float:
    """Milliseconds that a target adds at one connection to the provider's own time."""
    return one[target][C1.name].p50_ms - one["provider"][C1.name].p50_ms


def _first_token_ms(target: str, one: Round) -> float:
    return one[target][STREAM.name].ttft_p50_ms or 0.0


def _p50_times(phase: Phase) -> Ratio:
    def value(one: Round) -> float:
        return one["gateway"][phase.name].p50_ms / one["forwarder"][phase.name].p50_ms

    return Ratio(f"{phase.name}_p50", f"p50 of {phase.title}: gateway ÷ forwarder", value, 1.3)


def _p50_added(phase: Phase) -> Ratio:
    def value(one: Round) -> float:
        return one["gateway"][phase.name].p50_ms - one["forwarder"][phase.name].p50_ms

    return Ratio(f"{phase.name}_added_ms", f"p50 of {phase.title}: gateway − forwarder, ms", value, 3.0)


RATIOS = (
    Ratio(
        "throughput_c32",
        "answers/s at 32 connections, commit: gateway ÷ forwarder",
        lambda one: rps(one["gateway"][C32.name]) / rps(one["forwarder"][C32.name]),
        1.0,
        at_least=True,
    ),
    Ratio(
        "throughput_c32_async",
        "the same with durability async",
        lambda one: rps(one["gateway-async"][C32.name]) / rps(one["forwarder"][C32.name]),
        1.0,
        at_least=True,
    ),
    Ratio(
        "cpu_per_request_c32",
        "CPU for an answer at 32 connections: gateway ÷ forwarder",
        lambda one: cpu_us_per_answer(one["gateway"][C32.name]) / cpu_us_per_answer(one["forwarder"][C32.name]),
        1.0,
    ),
    Ratio(
        "p50_c1_added_ms",
        "p50 at 1 connection, commit: gateway − forwarder, ms",
        lambda one: one["gateway"][C1.name].p50_ms - one["forwarder"][C1.name].p50_ms,
        0.4,
    ),
    Ratio(
        "p99_c1",
        "p99 at 1 connection: gateway ÷ forwarder",
        lambda one: one["gateway"][C1.name].p99_ms / one["forwarder"][C1.name].p99_ms,
        2.0,
    ),
    Ratio(
        "p50_c1_added_times_async",
        "what p50 at 1 connection grows by, async: gateway ÷ forwarder",
        lambda one: _added_ms("gateway-async", one) / _added_ms("forwarder", one),
        1.5,
    ),
    Ratio(
        "p99_c32",
        "p99 at 32 connections: gateway ÷ forwarder",
        lambda one: one["gateway"][C32.name].p99_ms / one["forwarder"][C32.name].p99_ms,
        2.0,
    ),
    Ratio(
        "stream_ttft_added_ms",
        "time to first token p50, 32 streams: gateway − forwarder, ms",
        lambda one: _first_token_ms("gateway", one) - _first_token_ms("forwarder", one),
        0.5,
    ),
    Ratio(
        "stream_cpu_per_chunk",
        "CPU for a chunk, 32 streams: gateway ÷ forwarder",
        lambda one: cpu_us_per_chunk(one["gateway"][STREAM.name]) / cpu_us_per_chunk(one["forwarder"][STREAM.name]),
        1.15,
    ),
    Ratio(
        "stream2000_cpu_per_chunk",
        "the same, 2,000 streams: gateway ÷ forwarder",
        lambda one: cpu_us_per_chunk(one["gateway"][STREAMS.name]) / cpu_us_per_chunk(one["forwarder"][STREAMS.name]),
        1.15,
    ),
    Ratio(
        "stream_chunks_full",
        "chunks/s, 32 streams at full speed: gateway ÷ forwarder",
        lambda one: one["gateway"][STREAM_FULL.name].chunks / one["forwarder"][STREAM_FULL.name].chunks,
        0.85,
        at_least=True,
    ),
    Ratio(
        "mixed_throughput",
        "answers/s of the mix at 32 connections: gateway ÷ forwarder",
        lambda one: rps(one["gateway"][MIXED.name]) / rps(one["forwarder"][MIXED.name]),
        0.85,
        at_least=True,
    ),
    Ratio(
        "mixed_cpu",
        "CPU for an answer: the mix on 100 routers ÷ one router and one prompt",
        lambda one: cpu_us_per_answer(one["gateway"][MIXED.name]) / cpu_us_per_answer(one["gateway"][C32.name]),
        1.3,
    ),
    Ratio(
        "mixed_cpu_routers",
        "the same: the mix on 100 routers ÷ the mix on one",
        lambda one: cpu_us_per_answer(one["gateway"][MIXED.name]) / cpu_us_per_answer(one["gateway"][MIXED_ONE.name]),
        1.3,
    ),
    Ratio(
        "same_1000rps_p999_ms", "p99.9 at 1,000 requests/s, ms", lambda one: one["gateway"][STEADY.name].p999_ms, 20.0
    ),
    Ratio(
        "same_1000rps_longest_ms",
        "the longest answer at 1,000 requests/s, ms",
        lambda one: one["gateway"][STEADY.name].longest_ms,
        50.0,
    ),
    *map(_p50_times, RATES),
    *map(_p50_added, AGENTS),
)


def compare(results: Results) -> dict[str, Spread]:
    """Every ratio that the measured targets and phases allow, computed round by round."""
    rounds: list[Round] = [
        {target: {phase: measured[number] for phase, measured in phases.items()} for target, phases in results.items()}
        for number in range(_count(results))
    ]
    spreads: dict[str, Spread] = {}
    for ratio in RATIOS:
        try:
            spreads[ratio.name] = Spread.of([ratio.value(one) for one in rounds])
        except (KeyError, ZeroDivisionError):  # a target or phase was left out, or its CPU can't be seen
            continue
    return spreads


def _count(results: Results) -> int:
    return min(len(measured) for phases in results.values() for measured in phases.values())
