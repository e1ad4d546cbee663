"""The metric families: names, labels and help texts by Prometheus' conventions. docs/metrics.md lists the same ones.

Values of labels come from the configuration and from fixed lists, never from callers: an unknown router is `""`.
"""

from dataclasses import dataclass
from enum import StrEnum

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0)
OVERHEAD_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
SCORES = tuple(tenth / 10 for tenth in range(11))
COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
ADMIN_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
DELAY_SECONDS = (1.0, 10.0, 60.0, 300.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0)


class Kind(StrEnum):
    """Type of a family, and how the values of several processes become one."""

    COUNTER = "counter"  # summed; those of processes that have ended count on
    HISTOGRAM = "histogram"  # as counters
    SUM = "gauge, summed"  # over the processes that run
    MAX = "gauge, largest"  # of the processes that run
    ONE = "gauge, of one worker"  # the first that tells it: all know the same, a moment apart


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its labels. `name` is without the suffix `_total` of counters."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Cells per set of labels: a value, or a histogram's sum and the counts of its buckets and of +Inf."""
        return len(self.buckets) + 2 if self.buckets else 1


def _counter(name: str, help_: str, *labels: str) -> Family:
    return Family(name, Kind.COUNTER, help_, labels)


def _histogram(name: str, help_: str, buckets: tuple[float, ...], *labels: str) -> Family:
    return Family(name, Kind.HISTOGRAM, help_, labels, buckets)


RESPONSES = _counter(
    "bandit_gateway_responses",
    "Answers to completion requests, refusals included",
    "router",
    "model",
    "status",
    "fault",
    "code",
)
HTTP_RESPONSES = _counter(
    "bandit_gateway_http_responses", "Answers of all other routes", "route", "method", "http_status"
)
ADMIN_REQUEST_SECONDS = _histogram(
    "bandit_gateway_admin_request_seconds",
    "Calls of the management API, until the answer begins",
    ADMIN_SECONDS,
    "route",
)
REQUEST_SECONDS = _histogram(
    "bandit_gateway_request_seconds", "Decided requests, from their arrival to their end", SECONDS, "router"
)
OVERHEAD = _histogram(
    "bandit_gateway_overhead_seconds",
    "The gateway's own part of a request: the whole less the waits for providers",
    OVERHEAD_SECONDS,
    "router",
)
FIRST_TOKEN = _histogram(
    "bandit_gateway_time_to_first_token_seconds",
    "Streams: from the call of a model to its first content",
    SECONDS,
    "router",
    "model",
)
ATTEMPTS = _counter("bandit_gateway_attempts", "Calls of models, by how they ended", "router", "model", "ending")
TOKENS = _counter(
    "bandit_gateway_tokens",
    "Tokens of all attempts, estimates included; input is without cached",
    "router",
    "model",
    "direction",
)
COST_USD = _counter("bandit_gateway_cost_usd", "Dollars of all attempts", "router", "model", "estimated")
CHOICES = _counter(
    "bandit_gateway_choices",
    "Requests by the model that was drawn first, whether chance had a part in it, and whether another one was the best",
    "router",
    "model",
    "randomised",
    "explored",
)
RATELIMITED = _counter(
    "bandit_gateway_ratelimited",
    "Requests that a limit of their API key has refused: requests, tokens or usd",
    "key",
    "kind",
)
FEEDBACK = _counter(
    "bandit_gateway_feedback", "Scores, by who gave them and what became of them", "router", "key", "result"
)
FEEDBACK_SCORE = _histogram(
    "bandit_gateway_feedback_score", "Scores by their value, changed ones again", SCORES, "router", "model"
)
FEEDBACK_DELAY = _histogram(
    "bandit_gateway_feedback_delay_seconds", "From a request to a score of it", DELAY_SECONDS, "router"
)
JUDGEMENTS = _counter(
    "bandit_gateway_judgements",
    "Answers that were drawn to be judged or compared, by what came of it",
    "router",
    "model",
    "purpose",
    "result",
)
JUDGING_COST_USD = _counter(
    "bandit_gateway_judging_cost_usd",
    "Dollars of calls of judges and second models, which are no part of other costs",
    "router",
    "model",
    "purpose",
)
COMMIT = _histogram(
    "bandit_gateway_ledger_commit_seconds", "Waits of answers for their record's commit", COMMIT_SECONDS
)
LOG_LINES = _counter("bandit_gateway_log_lines", "Log lines, by whether they were written", "level", "result")
CPU_SECONDS = _counter("process_cpu_seconds", "User and system CPU time of all workers")
GC_COLLECTED = _counter("python_gc_objects_collected", "Objects that the garbage collector has freed", "generation")
GC_UNCOLLECTABLE = _counter("python_gc_objects_uncollectable", "Objects that it could not free", "generation")
GC_COLLECTIONS = _counter("python_gc_collections", "Runs of the garbage collector", "generation")

MODEL_STATE = Family(
    "bandit_gateway_model_state",
    Kind.SUM,
    "Workers in which a model is in this state",
    ("model", "state", "reason"),
)
LEDGER_STATE = Family(
    "bandit_gateway_ledger_state", Kind.SUM, "Workers whose records go there: ok is the database", ("state",)
)
LEDGER_QUEUE = Family("bandit_gateway_ledger_queue", Kind.SUM, "Records on their way to the ledger")
LEDGER_SPOOLED = Family("bandit_gateway_ledger_spooled", Kind.SUM, "Completions that wait for the database")
LEDGER_REFUSED = Family("bandit_gateway_ledger_refused", Kind.MAX, "Records that the database refused, kept aside")
TASKS = Family("bandit_gateway_tasks", Kind.SUM, "Tasks of the event loops: requests, and what serves them")
LOOP_LAG = Family(
    "bandit_gateway_loop_lag_seconds", Kind.MAX, "How late the event loop ran what was due, in the last second"
)
WORKERS = Family("bandit_gateway_workers", Kind.SUM, "Processes that serve")
SPENT_USD = Family(
    "bandit_gateway_budget_spent_usd",
    Kind.MAX,
    "Dollars spent this UTC day; this month if the scope is key_month",
    ("scope", "id"),
)
LIMIT_USD = Family(
    "bandit_gateway_budget_limit_usd", Kind.MAX, "Dollars that may be spent this UTC day, or month", ("scope", "id")
)
BUDGET_MULTIPLIER = Family(
    "bandit_gateway_budget_multiplier", Kind.MAX, "What a dollar counts for in choices under a budget", ("router",)
)
SNAPSHOT_AGE = Family(
    "bandit_gateway_snapshot_age_seconds",
    Kind.MAX,
    "How long newer statistics of a router have waited to be told here; its next request uses them anyway",
)
REPLICA_LAG = Family(
    "bandit_gateway_replica_lag_seconds",
    Kind.MAX,
    "Since a worker has last read what other processes had committed",
)
_OF_A_MODEL = ("router", "model", "task")
POSTERIOR_QUALITY = Family(
    "bandit_gateway_posterior_quality", Kind.ONE, "Expected score of a model's answers", _OF_A_MODEL
)
POSTERIOR_QUALITY_DEVIATION = Family(
    "bandit_gateway_posterior_quality_deviation", Kind.ONE, "Standard deviation of that expectation", _OF_A_MODEL
)
POSTERIOR_SECONDS = Family(
    "bandit_gateway_posterior_seconds",
    Kind.ONE,
    "Expected seconds until a whole answer to a prompt of 1,000 tokens",
    _OF_A_MODEL,
)
POSTERIOR_COST_USD = Family(
    "bandit_gateway_posterior_cost_usd",
    Kind.ONE,
    "Expected dollars of an answer to a prompt of 1,000 tokens",
    _OF_A_MODEL,
)

FAMILIES = (
    RESPONSES,
    HTTP_RESPONSES,
    ADMIN_REQUEST_SECONDS,
    REQUEST_SECONDS,
    OVERHEAD,
    FIRST_TOKEN,
    ATTEMPTS,
    TOKENS,
    COST_USD,
    CHOICES,
    RATELIMITED,
    FEEDBACK,
    FEEDBACK_SCORE,
    FEEDBACK_DELAY,
    JUDGEMENTS,
    JUDGING_COST_USD,
    COMMIT,
    LOG_LINES,
    CPU_SECONDS,
    GC_COLLECTED,
    GC_UNCOLLECTABLE,
    GC_COLLECTIONS,
    MODEL_STATE,
    LEDGER_STATE,
    LEDGER_QUEUE,
    LEDGER_SPOOLED,
    LEDGER_REFUSED,
    TASKS,
    LOOP_LAG,
    WORKERS,
    SPENT_USD,
    LIMIT_USD,
    BUDGET_MULTIPLIER,
    SNAPSHOT_AGE,
    REPLICA_LAG,
    POSTERIOR_QUALITY,
    POSTERIOR_QUALITY_DEVIATION,
    POSTERIOR_SECONDS,
    POSTERIOR_COST_USD,
)

BY_NAME = {family.name: family for family in FAMILIES}
GAUGES = (Kind.SUM, Kind.MAX, Kind.ONE)
