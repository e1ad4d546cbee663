"""Tells operators of each request that has ended: counts it, and has its line written."""

import logging
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from gateway.errors import Fault, GatewayError
from gateway.telemetry.log_lines import Answered, Ended, Refused
from gateway.telemetry.log_writer import LogWriter
from gateway.telemetry.metrics import NO_FAULT, Metrics, fault_of
from storage.records import CompletionRecord, FeedbackReceipt

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
    """Metrics and log lines of requests. For the event loop alone."""

    def __init__(self, metrics: Metrics, logs: LogWriter) -> None:
        self._metrics = metrics
        self._logs = logs

    def completed(self, record: CompletionRecord, error: GatewayError | None, commit_seconds: float) -> None:
        """A request that a model was chosen for has ended. `error`: what its client was told instead of an answer."""
        self._metrics.completed(record, error, commit_seconds)
        outcome = record.outcome
        fault = fault_of(outcome.status, error)
        level = LEVELS[fault]
        if level < self._logs.level:
            return
        status, code = (outcome.http_status, None) if error is None else (error.status, error.known_code)
        self._logs.put(Ended(level, record.decision, outcome, status, code, fault, None))

    def refused(
        self, request_id: str, router_id: str, key_id: str | None, error: GatewayError | None, seconds: float
    ) -> None:
        """A completion request has ended before a model was chosen. `error` None: its client left.

        `router_id` is that of a router, or "".
        """
        self._metrics.refused(router_id, error)
        fault = Fault.CALLER if error is None else error.fault
        level = LEVELS[fault]
        if level >= self._logs.level:
            status, code = (499, "client_gone") if error is None else (error.status, error.known_code)
            at = time.time()
            self._logs.put(Refused(level, at, request_id, router_id, key_id, status, code, fault, seconds, None))

    def answered(self, request_id: str, method: str, route: str, status: int, seconds: float) -> None:
        """Another route has begun its answer. `route` is its template, "" for a path without one."""
        self._metrics.answered(route, method, status)
        level = logging.DEBUG if route in PROBES and status < 500 else logging.INFO
        if level >= self._logs.level:
            self._logs.put(Answered(level, time.time(), request_id, method, route, status, seconds))

    def scored(self, receipts: Iterable[FeedbackReceipt], now: float) -> None:
        """Scores were committed."""
        self._metrics.scored(receipts, now)

    def not_scored(self, error: GatewayError) -> None:
        """A request with scores was refused."""
        self._metrics.not_scored(error)
