"""Prometheus metrics of this process: requests, latency, attempts, cost, scores, and the state of the ledger."""

import asyncio
from collections.abc import Iterable, Iterator
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.recorder import Recorder
from storage.records import CompletionRecord, FeedbackReceipt
from storage.writing.failover import State

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0)
OVERHEAD_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5)


class Metrics:
    """Counters in a registry of their own. Each worker process has its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # Looking up the child of a set of labels is slow, and its result never changes: keep it.
        self._requests = cache(
            Counter(
                "bandit_gateway_requests", "Routed requests", ["router", "model", "status"], registry=self._registry
            ).labels
        )
        self._seconds = cache(
            Histogram(
                "bandit_gateway_request_seconds", "Whole answers", ["router"], buckets=SECONDS, registry=self._registry
            ).labels
        )
        self._overhead = cache(
            Histogram(
                "bandit_gateway_overhead_seconds",
                "Our own part: the whole less the waits for providers",
                ["router"],
                buckets=OVERHEAD_SECONDS,
                registry=self._registry,
            ).labels
        )
        self._attempts = cache(
            Counter(
                "bandit_gateway_attempts", "Calls to providers", ["model", "ending"], registry=self._registry
            ).labels
        )
        self._cost_usd = cache(
            Counter(
                "bandit_gateway_cost_usd", "Dollars, estimates included", ["router", "model"], registry=self._registry
            ).labels
        )
        self._feedback = cache(
            Counter("bandit_gateway_feedback", "Scores", ["router", "status"], registry=self._registry).labels
        )

    def watch(self, recorder: Recorder) -> None:
        """Register gauges for the ledger and the event loop, which are read when Prometheus asks."""
        self._registry.register(_LedgerState(recorder))
        self._registry.register(_LoopState(asyncio.get_running_loop()))

    def count(self, record: CompletionRecord) -> None:
        """Count a request that has ended."""
        router_id, outcome = record.decision.router_id, record.outcome
        self._requests(router_id, outcome.model_id or "", outcome.status.value).inc()
        self._seconds(router_id).observe(outcome.seconds)
        self._overhead(router_id).observe(outcome.overhead_seconds)
        for attempt in record.attempts:
            self._attempts(attempt.model_id, attempt.ending.value).inc()
            self._cost_usd(router_id, attempt.model_id).inc(attempt.cost_usd)

    def count_feedback(self, receipts: Iterable[FeedbackReceipt]) -> None:
        """Count committed scores."""
        for receipt in receipts:
            self._feedback(receipt.router_id, receipt.status.value).inc()

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _LoopState(Collector):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def collect(self) -> Iterator[Metric]:
        tasks = len(asyncio.all_tasks(self._loop))
        yield GaugeMetricFamily(
            "bandit_gateway_tasks", "Tasks of the event loop: requests, and what serves them", tasks
        )


class _LedgerState(Collector):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily("bandit_gateway_ledger_state", "1 for the state it is in", labels=["state"])
        for each in State:
            state.add_metric([each.value], float(self._recorder.state is each))
        yield state
        yield GaugeMetricFamily("bandit_gateway_ledger_queue", "Records on their way", value=self._recorder.queued)
        yield GaugeMetricFamily(
            "bandit_gateway_ledger_spooled", "Completions that wait for the database", value=self._recorder.spooled
        )
