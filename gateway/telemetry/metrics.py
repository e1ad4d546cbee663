"""Counts requests and scores in this process's cells."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from bandit.types import Attempt
from gateway.errors import Fault, GatewayError, KeyBudgetExhausted, RateLimitExceeded
from gateway.ids import creation_time
from gateway.telemetry.cells import Cells
from gateway.telemetry.families import (
    ADMIN_REQUEST_SECONDS,
    ADMIN_SECONDS,
    ATTEMPTS,
    CHOICES,
    COMMIT,
    COMMIT_SECONDS,
    COST_USD,
    DELAY_SECONDS,
    FEEDBACK,
    FEEDBACK_DELAY,
    FEEDBACK_SCORE,
    FIRST_TOKEN,
    HTTP_RESPONSES,
    JUDGEMENTS,
    JUDGING_COST_USD,
    OVERHEAD,
    OVERHEAD_SECONDS,
    RATELIMITED,
    REQUEST_SECONDS,
    RESPONSES,
    SCORES,
    SECONDS,
    TOKENS,
)
from gateway.telemetry.told_keys import ToldKeys
from storage.records import CompletionRecord, FeedbackReceipt, Status

OTHER_KEYS = "other"
"""The label of what is counted of keys that are not told apart."""
REFUSED = "refused"
"""Status of a request that was answered with an error before a model was chosen."""
NO_FAULT = "none"


@dataclass(frozen=True, slots=True)
class _OutcomeCells:
    """Where an outcome is counted."""

    responses: int
    seconds: int
    overhead: int
    choices: int


@dataclass(frozen=True, slots=True)
class _AttemptCells:
    """Where an attempt is counted."""

    attempts: int
    input: int
    cached: int
    output: int
    cost_usd: int
    first_token: int | None  # None: not a stream


class Metrics:
    """Counts in cells, whose places it keeps: a request costs few look-ups. For the event loop alone."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._values = cells.values
        self._commit = cells.start_of(COMMIT)
        self._outcomes: dict[tuple[str, str | None, Status, str, str, bool, bool], _OutcomeCells] = {}
        self._attempts: dict[tuple[str, str, str, bool, bool], _AttemptCells] = {}
        self._keys = ToldKeys()

    def completed(self, record: CompletionRecord, error: GatewayError | None, commit_seconds: float) -> None:
        """Count a request that a model was chosen for. `error`: what its client was told instead of an answer."""
        decision, outcome, values = record.decision, record.outcome, self._values
        router_id, code, model_id = decision.router_id, error.known_code if error else "", decision.drawn_model_id
        key = (router_id, outcome.model_id, outcome.status, code, model_id, decision.randomised, decision.explored)
        cells = self._outcomes.get(key) or self._outcome_cells(record, error)
        values[cells.responses] += 1.0
        values[cells.choices] += 1.0
        # As `_observe`, three times for each request.
        at, amount = cells.seconds, outcome.seconds
        values[at] += amount
        values[at + 1 + bisect_left(SECONDS, amount)] += 1.0
        at, amount = cells.overhead, outcome.overhead_seconds
        values[at] += amount
        values[at + 1 + bisect_left(OVERHEAD_SECONDS, amount)] += 1.0
        at = self._commit
        values[at] += commit_seconds
        values[at + 1 + bisect_left(COMMIT_SECONDS, commit_seconds)] += 1.0
        for attempt in record.attempts:
            of_attempt = (router_id, attempt.model_id, attempt.ending, attempt.estimated, attempt.stream)
            self._count_attempt(self._attempts.get(of_attempt) or self._attempt_cells(router_id, attempt), attempt)

    def refused(self, router_id: str, error: GatewayError | None, key_id: str | None = None) -> None:
        """Count a completion request that no model was chosen for; None: its client left. `router_id` is ours or ""."""
        if key_id is not None and isinstance(error, RateLimitExceeded | KeyBudgetExhausted):
            kind = error.kind if isinstance(error, RateLimitExceeded) else "usd"
            self._values[self._cells.start_of(RATELIMITED, self._key(key_id), kind)] += 1.0
        status, fault, code = Status.CLIENT_GONE.value, Fault.CALLER.value, ""
        if error is not None:
            status, fault, code = REFUSED, error.fault.value, error.known_code
        self._values[self._cells.start_of(RESPONSES, router_id, "", status, fault, code)] += 1.0

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer of another route, by its template; "" is a path without a route."""
        self._values[self._cells.start_of(HTTP_RESPONSES, route, method, str(status))] += 1.0
        if route.startswith("/admin/"):
            self._observe(self._cells.start_of(ADMIN_REQUEST_SECONDS, route), ADMIN_SECONDS, seconds)

    def scored(self, receipts: Iterable[FeedbackReceipt], now: float, key_id: str | None) -> None:
        """Count committed scores of an API key; None: of the gateway's own judge."""
        key = self._key(key_id)
        for receipt in receipts:
            self._values[self._cells.start_of(FEEDBACK, receipt.router_id, key, receipt.status.value)] += 1.0
            start = self._cells.start_of(FEEDBACK_SCORE, receipt.router_id, receipt.model_id)
            self._observe(start, SCORES, receipt.score)
            start = self._cells.start_of(FEEDBACK_DELAY, receipt.router_id)
            self._observe(start, DELAY_SECONDS, max(now - creation_time(receipt.completion_id), 0.0))

    def not_scored(self, error: GatewayError, key_id: str | None) -> None:
        """Count a request with scores that was refused; `key_id` None: it had no API key of ours."""
        result = "unknown" if error.status == 404 else REFUSED
        self._values[self._cells.start_of(FEEDBACK, "", self._key(key_id), result)] += 1.0

    def judged(self, router_id: str, model_id: str, purpose: str, result: str) -> None:
        """Count an answer that was drawn to be judged or compared. `model_id` is the judge's, "" if none was asked."""
        self._values[self._cells.start_of(JUDGEMENTS, router_id, model_id, purpose, result)] += 1.0

    def judging_cost(self, router_id: str, model_id: str, purpose: str, cost_usd: float) -> None:
        """Count what a call of a judge or a second model cost."""
        self._values[self._cells.start_of(JUDGING_COST_USD, router_id, model_id, purpose)] += cost_usd

    def _key(self, key_id: str | None) -> str:
        """The label of an API key: its id, for as many as are told apart."""
        if key_id is None:
            return ""
        return key_id if self._keys.admit(key_id) else OTHER_KEYS

    def _observe(self, start: int, bounds: tuple[float, ...], amount: float) -> None:
        values = self._values
        values[start] += amount
        values[start + 1 + bisect_left(bounds, amount)] += 1.0

    def _count_attempt(self, cells: _AttemptCells, attempt: Attempt) -> None:
        values = self._values
        values[cells.attempts] += 1.0
        if (prompt := attempt.prompt_tokens) is not None:
            if cached := attempt.cached_tokens:
                values[cells.cached] += cached
            values[cells.input] += prompt - cached
        if attempt.completion_tokens is not None:
            values[cells.output] += attempt.completion_tokens
        values[cells.cost_usd] += attempt.cost_usd
        if cells.first_token is not None and attempt.first_token_seconds is not None:
            self._observe(cells.first_token, SECONDS, attempt.first_token_seconds)

    def _outcome_cells(self, record: CompletionRecord, error: GatewayError | None) -> _OutcomeCells:
        decision, outcome, start_of = record.decision, record.outcome, self._cells.start_of
        router_id, drawn = decision.router_id, decision.drawn_model_id
        fault, code = fault_of(outcome.status, error), error.known_code if error else ""
        cells = _OutcomeCells(
            responses=start_of(RESPONSES, router_id, outcome.model_id or "", outcome.status.value, fault, code),
            seconds=start_of(REQUEST_SECONDS, router_id),
            overhead=start_of(OVERHEAD, router_id),
            choices=start_of(CHOICES, router_id, drawn, _word(decision.randomised), _word(decision.explored)),
        )
        how = (decision.randomised, decision.explored)
        self._outcomes[router_id, outcome.model_id, outcome.status, code, drawn, *how] = cells
        return cells

    def _attempt_cells(self, router_id: str, attempt: Attempt) -> _AttemptCells:
        start_of, model_id, estimated = self._cells.start_of, attempt.model_id, attempt.estimated
        cells = _AttemptCells(
            attempts=start_of(ATTEMPTS, router_id, model_id, attempt.ending.value),
            input=start_of(TOKENS, router_id, model_id, "input"),
            cached=start_of(TOKENS, router_id, model_id, "cached"),
            output=start_of(TOKENS, router_id, model_id, "output"),
            cost_usd=start_of(COST_USD, router_id, model_id, _word(estimated)),
            first_token=start_of(FIRST_TOKEN, router_id, model_id) if attempt.stream else None,
        )
        self._attempts[router_id, model_id, attempt.ending, estimated, attempt.stream] = cells
        return cells


def fault_of(status: Status, error: GatewayError | None) -> str:
    """Whose fault it is that a request ended so. A stream that its client left is the client's."""
    if error is not None:
        return error.fault.value
    return NO_FAULT if status is Status.ANSWERED else Fault.CALLER.value


def _word(fact: bool) -> str:
    return "true" if fact else "false"
