"""The exposition that Prometheus scrapes: the cells of all processes as one, and their memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from math import isnan
from operator import add
from types import MappingProxyType

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from bandit.decision import ALGORITHM
from gateway.telemetry.cells import Board, Reading
from gateway.telemetry.families import FAMILIES, GAUGES, Family, Kind

BUILD_INFO = "bandit_gateway_build_info"
_OF_PROCESSES = ("process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds", "process_max_fds")

_JOINS: Mapping[Kind, Callable[[float, float], float]] = MappingProxyType(
    {
        Kind.COUNTER: add,
        Kind.HISTOGRAM: add,
        Kind.SUM: add,
        Kind.MAX: max,
        Kind.ONE: lambda first, _: first,
    }
)


class Exposition:
    """Prometheus' text format of everything that a board holds. Thread-safe."""

    def __init__(self, board: Board) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_BoardCollector(board))

    def text(self) -> bytes:
        """All metrics. It takes milliseconds: not for the event loop."""
        return generate_latest(self._registry)


class _BoardCollector(Collector):
    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        readings = self._board.read()
        cells = _merged(readings)
        for family in FAMILIES:
            yield _metric(family, cells.get(family.name, {}))
        build = GaugeMetricFamily(BUILD_INFO, "Always 1", labels=["version", "algorithm"])
        build.add_metric([version("bandit-gateway"), ALGORITHM], 1.0)
        yield build
        yield GaugeMetricFamily("process_start_time_seconds", "Unix time of the start", value=self._board.created_at)
        yield from _of_processes([reading.pid for reading in readings if reading.pid])

    def describe(self) -> Iterable[Metric]:
        return ()  # registering must not read the processes


def _merged(readings: list[Reading]) -> dict[str, dict[tuple[str, ...], list[float]]]:
    """Values by family and labels: counters of all slots, gauges of those whose process runs."""
    merged: dict[str, dict[tuple[str, ...], list[float]]] = {family.name: {} for family in FAMILIES}
    kinds = {family.name: family.kind for family in FAMILIES}
    for reading in readings:
        for (name, *labels), values in reading.values:
            kind = kinds[name]
            if kind in GAUGES and (not reading.pid or isnan(values[0])):
                continue
            into = merged[name].setdefault(tuple(labels), [])
            join = _JOINS[kind]
            into[:] = [join(one, other) for one, other in zip(into, values, strict=True)] if into else values.tolist()
    return merged


def _metric(family: Family, cells: dict[tuple[str, ...], list[float]]) -> Metric:
    metric: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    if family.kind is Kind.HISTOGRAM:
        metric = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        bounds = [*map(floatToGoString, family.buckets), "+Inf"]
        for labels, (total, *counts) in sorted(cells.items()):
            sums = [sum(counts[: at + 1]) for at in range(len(counts))]
            metric.add_metric(labels, list(zip(bounds, sums, strict=True)), total)
        return metric
    kind = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, (value,) in sorted(cells.items()):
        metric.add_metric(labels, value)
    return metric


def _of_processes(pids: list[int]) -> Iterator[Metric]:
    """Memory and descriptors of all processes, where the system tells them."""
    sums: dict[str, Metric] = {}
    for pid in pids:
        for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
            if metric.name not in _OF_PROCESSES:
                continue
            known = sums.setdefault(metric.name, GaugeMetricFamily(metric.name, metric.documentation))
            value = metric.samples[0].value + (known.samples[0].value if known.samples else 0.0)
            known.samples.clear()
            known.add_sample(metric.name, {}, value)
    yield from sums.values()
