"""Tables of what was spent and done, by time, model and key."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, Table, Text

from storage.columns import check, key, one_of, optional, required
from storage.tables.metadata import metadata, only

budgets = Table(
    "budgets",
    metadata,
    key("router_id", Text, "the router"),
    required("multiplier", Double, "what a dollar counts now, times its value in the objective"),
    optional("mean_cost_usd", Double, "running mean of the cost per request"),
    required("revision", BigInteger, "of the last change, by which other processes find it"),
    comment="the state of budget_usd_per_request",
)

WAITS = tuple(f"w{k}" for k in range(24))

ACTIVITY_COUNTS = {
    "requests": "first draws",
    "redrawn": "of these, requests for which another call was made",
    "explored": "of these, drawn although another model was better by the mean",
    "answered": "requests that it answered",
    "partial": "of these, cut off",
    "failed_provider": "requests without an answer, by fault of the providers",
    "failed_own": "requests without an answer, by fault of the gateway",
    "rejected": "requests without an answer, by the caller's mistake",
    "client_gone": "requests whose client left before any content",
    "attempts": "calls",
    "failures": "calls that did not answer",
    "prompt_tokens": "billed, cached ones included",
    "cached_tokens": "of these, read from the provider's cache",
    "completion_tokens": "billed",
    "first_tokens": "streams that had content",
    "scored": "answers that have a score",
}

ACTIVITY_SUMS = {
    "cost_usd": "billed",
    "seconds": "of requests that it answered",
    "overhead_seconds": "of requests, not spent waiting for a provider",
    "first_token_seconds": "until the first content of these streams",
    "score": "sum of the scores, each the mean over its sources",
    "score_squares": "sum of their squares",
}


def _activity() -> list["Column[object]"]:
    large = {name for name in ACTIVITY_COUNTS if name.endswith("tokens")}
    return [
        key("router_id", Text, "the router"),
        key("width", Integer, "seconds: a minute, an hour or a day"),
        key("start", BigInteger, "when it began, in UTC; requests belong to the instant at which they ended"),
        key("model_id", Text, "the model"),
        key("task", Text, "the class; empty: all of them, for minutes and days"),
        *(required(name, BigInteger if name in large else Integer, what) for name, what in ACTIVITY_COUNTS.items()),
        *(
            required(name, Integer, f"answers that took about {0.05 * 2 ** (k / 2):.2g} s")
            for k, name in enumerate(WAITS)
        ),
        *(required(name, Double, what) for name, what in ACTIVITY_SUMS.items()),
    ]


activity = Table(
    "activity",
    metadata,
    *_activity(),
    required("revision", BigInteger, "of the last change, by which other processes find it"),
    Index(None, "width", "start"),  # today's spend is read often, and old minutes and hours are deleted
    comment="what happened per model and minute (2 days), hour (100 days) and day (for ever)",
    sqlite_with_rowid=False,
)

pending_events = Table(
    "pending_events",
    metadata,
    Column(
        "id",
        # SQLite numbers such rows itself, in the order of their transactions.
        BigInteger().with_variant(Integer(), "sqlite"),
        primary_key=True,
        autoincrement=False,
        comment="in the order of the transactions",
    ),
    required("events", LargeBinary, "MessagePack: see storage.pending_events"),
    comment="on SQLite: what is added to arms, activity, fixed_sums and key_usage within a second",
)

activity_checkpoints = Table(
    "activity_checkpoints",
    metadata,
    *_activity(),
    Index(None, "width", "start"),
    comment="what deleted decisions had added to activity",
    sqlite_with_rowid=False,
)


def _usage(comment: str) -> list["Column[object]"]:
    return [
        key("key_id", Text, "the API key"),
        key("width", Integer, "seconds: 60, or 86400 for a UTC day"),
        key("start", BigInteger, comment),
        required("requests", BigInteger, "that ended then"),
        required("tokens", BigInteger, "prompt and completion of their last calls, as their answers report them"),
        required("cost_usd", Double, "of all their attempts"),
    ]


key_usage = Table(
    "key_usage",
    metadata,
    *_usage("when the minute or the day began"),
    required("revision", BigInteger, "of the last change, by which other processes find it"),
    Index(None, "width", "start"),
    Index("ix_key_usage_revision", "revision", **only("width = 86400")),
    comment="what each API key has used: minutes of the last two days, and days for ever",
    sqlite_with_rowid=False,
)

key_usage_checkpoints = Table(
    "key_usage_checkpoints",
    metadata,
    *_usage("when the day began"),
    comment="the part of key_usage whose decisions were deleted",
    sqlite_with_rowid=False,
)

judging = Table(
    "judging",
    metadata,
    key("router_id", Text, "the router"),
    key("day", Integer, "UTC day of the calls, in days since the epoch"),
    key("purpose", Text, "judge: a sample of the answers; shadow: second answers, and their comparison"),
    key("model_id", Text, "the model that was called"),
    required("calls", BigInteger, "calls"),
    required("scored", BigInteger, "calls that gave a score"),
    required("prompt_tokens", BigInteger, "billed"),
    required("completion_tokens", BigInteger, "billed"),
    required("cost_usd", Double, "billed; no part of traffic"),
    required("revision", BigInteger, "of the last change, by which other processes find it"),
    check("purpose", one_of("purpose", "judge", "shadow")),
    comment="calls of judges and of models in the shadow, per UTC day: they are beside all requests",
    sqlite_with_rowid=False,
)
