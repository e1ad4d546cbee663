"""Tells operators of each request that has ended: counts it, and has its line written."""

import logging
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from gateway.catalog.catalog import Model
from gateway.errors import Fault, GatewayError
from gateway.telemetry.log_lines import Answered, Ended, Refused
from gateway.telemetry.log_writer import LogWriter
from gateway.telemetry.metrics import NO_FAULT, Metrics, fault_of
from gateway.telemetry.trace_context import RequestTrace
from storage.records import CompletionRecord, FeedbackReceipt

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Tracing  # which needs the extra `otel`

LEVELS: Mapping[str, int] = MappingProxyType(
    {
        NO_FAULT: logging.INFO,
        Fault.CALLER: logging.INFO,
        Fault.POLICY: logging.WARNING,
        Fault.PROVIDER: logging.WARNING,
        Fault.OWN: logging.ERROR,
    }
)
"""By whose fault it is: a warning is what an operator may act on, an error what somebody must act on."""
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that are asked every few seconds: their answers are logged at the level debug."""


class Observer:
    """Metrics, log lines and, if they are wanted, traces of requests. For the event loop alone."""

    def __init__(self, metrics: Metrics, logs: LogWriter, tracing: "Tracing | None") -> None:
        self._metrics = metrics
        self._logs = logs
        self.tracing = tracing

    def completed(
        self,
        record: CompletionRecord,
        error: GatewayError | None,
        commit_seconds: float,
        trace: RequestTrace | None,
        models: Mapping[str, Model],
    ) -> None:
        """A request that a model was chosen for has ended. `error`: what its client was told instead of an answer.

        `models` are those of its router.
        """
        self._metrics.completed(record, error, commit_seconds)
        outcome, logs = record.outcome, self._logs
        fault = fault_of(outcome.status, error)
        level = LEVELS[fault]
        if level < logs.level and trace is None:
            return
        status, code = (outcome.http_status, None) if error is None else (error.status, error.known_code)
        trace_id = None if trace is None else trace.hex_trace_id
        ended = Ended(level, record.decision, outcome, status, code, fault, trace_id)
        if level >= logs.level:
            logs.put(ended)
        if trace is not None and self.tracing is not None:
            self.tracing.completed(trace, ended, record.attempts, models)

    def refused(
        self,
        request_id: str,
        router_id: str,
        key_id: str | None,
        error: GatewayError | None,
        seconds: float,
        trace: RequestTrace | None = None,
    ) -> None:
        """A completion request has ended before a model was chosen. `error` None: its client left.

        `router_id` is that of a router, or "".
        """
        self._metrics.refused(router_id, error, key_id)
        fault = Fault.CALLER if error is None else error.fault
        level = LEVELS[fault]
        status, code = (499, "client_gone") if error is None else (error.status, error.known_code)
        trace_id = None if trace is None else trace.hex_trace_id
        at = time.time()
        refused = Refused(level, at, request_id, router_id, key_id, status, code, fault, seconds, trace_id)
        if level >= self._logs.level:
            self._logs.put(refused)
        if self.tracing is not None and trace is not None:
            self.tracing.refused(trace, refused)

    def answered(self, request_id: str, method: str, route: str, status: int, seconds: float) -> None:
        """Another route has begun its answer. `route` is its template, "" for a path without one."""
        self._metrics.answered(route, method, status, seconds)
        level = logging.DEBUG if route in PROBES and status < 500 else logging.INFO
        if level >= self._logs.level:
            self._logs.put(Answered(level, time.time(), request_id, method, route, status, seconds))

    def scored(self, receipts: Iterable[FeedbackReceipt], now: float, key_id: str | None = None) -> None:
        """Scores were committed, of an API key or of the gateway's own judge."""
        self._metrics.scored(receipts, now, key_id)

    def not_scored(self, error: GatewayError, key_id: str | None) -> None:
        """A request with scores was refused; `key_id` None: it had no API key of ours."""
        self._metrics.not_scored(error, key_id)

    def judged(self, router_id: str, model_id: str, purpose: str, result: str) -> None:
        """An answer that was drawn to be judged or compared has got a score, or a reason why it has none."""
        self._metrics.judged(router_id, model_id, purpose, result)

    def judging_cost(self, router_id: str, model_id: str, purpose: str, cost_usd: float) -> None:
        """A judge or a second model was called."""
        self._metrics.judging_cost(router_id, model_id, purpose, cost_usd)
