"""The tables and the meaning of their columns, which PostgreSQL shows as comments (`\\d+`).

Times are seconds since the epoch, money is in dollars. JSON is stored as text, in our own encoding; only what callers
attach to a score is `jsonb` on PostgreSQL, because analysts query it and few rows have it. No foreign key leads from
the ledger to `routers`: a new router of a deleted one's id takes up its requests again. Checks refuse what no gateway
writes: they are bounds of sanity, not of policy.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.columns import check, counts, instants, key, one_of, optional, required, within

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _completion(comment: str = "the request") -> "Column[object]":
    return Column(
        "completion_id",
        Text,
        ForeignKey("decisions.completion_id", ondelete="CASCADE"),
        primary_key=True,
        comment=comment,
    )


def _only(condition: str) -> dict[str, Any]:
    """Make the options of an index of some rows."""
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}


routers = Table(
    "routers",
    metadata,
    key("id", Text, "rtr_…, the first part of the endpoint's path"),
    required("name", Text, "as people call it"),
    required("secret", LargeBinary, "key of the HMAC that draws; it never leaves the ledger"),
    required("settings", Text, "JSON: policy, objective, limits"),
    required("created_at", Double, "when it was made"),
    required("updated_at", Double, "when it was changed last"),
    optional("deleted_at", Double, "its ledger stays, and is learned, rebuilt and pruned by these settings"),
    Column("revision", BigInteger, nullable=False, server_default="1", comment="counts the changes of this router"),
    Column("declared", Text, nullable=False, server_default="{}", comment="JSON: lines of what the file sets"),
    optional("eval_ids", Text, "JSON: list of the scorecards that count for it; null: all that apply"),
    check("times", *instants("created_at", "updated_at")),
    comment="sets of models that requests are routed among",
)

router_models = Table(
    "router_models",
    metadata,
    Column("router_id", Text, ForeignKey("routers.id", ondelete="CASCADE"), primary_key=True, comment="the router"),
    key("model_id", Text, "provider/model"),
    required("position", Integer, "place in the router's list, from 0"),
    required("enabled", Boolean, "false: it gets no requests and keeps its statistics"),
    required("min_share", Double, "least share of the requests"),
    required("max_share", Double, "largest share of the requests"),
    check("shares", *within("0", "1", "min_share", "max_share"), *counts("position")),
    comment="the models of each router",
)

api_keys = Table(
    "api_keys",
    metadata,
    key("id", Text, "key_…"),
    Column("hash", Text, nullable=False, unique=True, comment="SHA-256 of the secret, which is not stored"),
    required("label", Text, "as people call it"),
    required("scopes", Text, "JSON: list of what it may do"),
    optional("routers", Text, "JSON: list of the routers it may use; null: all"),
    required("created_at", Double, "when it was made"),
    optional("expires_at", Double, "from when on it is refused; null: never"),
    optional("revoked_at", Double, "when it was revoked; null: it was not"),
    optional("prefix", Text, "the secret's first characters, to tell keys apart"),
    optional("created_by", Text, "id of the key that made it; null: the command line or the first start"),
    optional("limits", Text, "JSON: what it may use per minute, day and month, and on what; null: no limit"),
    optional("last_used_at", Double, "to about a minute; null: never"),
    comment="keys of callers and administrators",
)

choices = Table(
    "choices",
    metadata,
    key("id", Text, "the completion_id of the decision that used it first"),
    required("router_id", Text, "the router"),
    required("at", Double, "when it was used first"),
    required("choice", LargeBinary, "JSON, compressed with zlib: the largest part of a request's bytes"),
    Index(None, "router_id", "at"),
    check("times", *instants("at")),
    comment="what draws were made from: each model's expected utility and probability, shared by decisions",
)

decisions = Table(
    "decisions",
    metadata,
    key("completion_id", Text, "req_…, with the time of its making in its first 12 digits"),
    required("router_id", Text, "the router, which may have been deleted since"),
    required("key_id", Text, "the caller's key"),
    required("at", Double, "when the model was drawn"),
    required("choice_id", Text, "choices.id: what the draw was made from"),
    required("choice_digest", Text, "BLAKE2b of the choice"),
    required("algorithm", Text, "version of the computation that made the choice"),
    required("policy", Text, "the router's policy"),
    required("task", Text, "class of the request: stated by the caller, or classified"),
    required("drawn_model_id", Text, "the model that was asked first"),
    required("u", Double, "the random number that drew it"),
    required("propensity", Double, "probability with which it was drawn"),
    required("randomised", Boolean, "false: there was no other model, or the conversation kept its model"),
    required("stream", Boolean, "whether the answer was streamed"),
    required("estimated_prompt_tokens", BigInteger, "before the request was sent"),
    required("request_bytes", BigInteger, "length of the request's body"),
    optional("instructions", Text, "the instructions that applied; null: none"),
    required("status", Text, "answered, partial, client_gone, failed or rejected"),
    required("ended_at", Double, "when the response ended: the time that learning counts from"),
    required("seconds", Double, "from the request to the response's end"),
    required("overhead_seconds", Double, "of these, not spent waiting for a provider"),
    optional("model_id", Text, "the model that answered; null: none did"),
    required("attempts", Integer, "calls of models"),
    optional("prompt_tokens", BigInteger, "of the last call, cached ones included"),
    required("cached_tokens", BigInteger, "of these, read from the provider's cache"),
    optional("completion_tokens", BigInteger, "of the last call"),
    required("cost_usd", Double, "of all attempts"),
    required("estimated", Boolean, "whether tokens or cost are partly our estimate"),
    optional("finish_reason", Text, "as the provider says"),
    required("reason", Text, "the sentence that the caller got"),
    required("http_status", Integer, "of the response; 499: the client had left"),
    optional("error_code", Text, "of an error response"),
    optional("valid", Boolean, "whether a structured answer matches its schema; null: not checked"),
    required("learned", Text, "JSON: what the outcome added to the statistics"),
    optional("episode_id", Text, "the caller's own id of what it belongs to, such as an agent's run"),
    optional("explored", Boolean, "another model was better by the mean; null: not in activity"),
    optional("judge_probability", Double, "with which its answer was drawn to be judged; null: there is no judge"),
    Index(None, "router_id", "at"),
    Index(None, "key_id", "at"),
    Index(None, "key_id", "episode_id", "completion_id", **_only("episode_id IS NOT NULL")),
    # Few rows: failures of all routers are found without an index entry for each answer.
    Index("ix_decisions_unanswered", "at", **_only("status <> 'answered'")),
    check("times", *instants("at", "ended_at"), *within("0", "1e9", "seconds", "overhead_seconds")),
    check("draw", *within("0", "1", "u", "propensity")),
    check("tokens", *counts("estimated_prompt_tokens", "prompt_tokens", "cached_tokens", "completion_tokens")),
    check("amounts", *counts("request_bytes", "attempts"), *within("0", "1e9", "cost_usd")),
    check(
        "status",
        one_of("status", "answered", "partial", "client_gone", "failed", "rejected"),
        *within("100", "599", "http_status"),
    ),
    comment="requests: a decision and its outcome are one row, because both become durable together",
)

attempts = Table(
    "attempts",
    metadata,
    _completion(),
    key("number", Integer, "1: the model that was drawn; 2 and later: failover"),
    required("model_id", Text, "the model that was called"),
    required("propensity", Double, "probability of this model, given the failed attempts before"),
    required("randomised", Boolean, "whether it was drawn"),
    required("ending", Text, "complete, or why not"),
    required("started_at", Double, "when it was called"),
    required("seconds", Double, "until its answer ended or failed"),
    required("stream", Boolean, "whether the answer was streamed"),
    optional("first_token_seconds", Double, "until a stream's first content"),
    optional("status", Integer, "HTTP status of the provider; null: no response"),
    required("detail", Text, "the provider's error message, without secrets"),
    optional("finish_reason", Text, "as the provider says"),
    optional("prompt_tokens", BigInteger, "billed, cached ones included"),
    required("cached_tokens", BigInteger, "of these, read from the provider's cache"),
    optional("completion_tokens", BigInteger, "billed"),
    required("cost_usd", Double, "what the provider bills"),
    required("estimated", Boolean, "whether tokens or cost are partly our estimate"),
    required("cost_known", Boolean, "false: the model has no price, and cost_usd is 0"),
    Column(
        "cost_stated",
        Boolean,
        nullable=False,
        server_default=false(),  # not written by older versions
        comment="whether the provider stated the dollars",
    ),
    optional("token_details", Text, "JSON: token counts by name that have prices of their own; null: none"),
    check("times", *instants("started_at"), *within("0", "1e9", "seconds", "first_token_seconds")),
    check("draw", "number >= 1", *within("0", "1", "propensity")),
    check("tokens", *counts("prompt_tokens", "cached_tokens", "completion_tokens")),
    check("amounts", *within("0", "1e9", "cost_usd"), *within("0", "999", "status")),
    check(
        "ending",
        one_of(
            "ending",
            "complete",
            "client_gone",
            "timeout",
            "failed",
            "cut",
            "rate_limited",
            "misconfigured",
            "incapable",
            "rejected",
        ),
    ),
    comment="calls of models, up to one per model of the router for each request",
    sqlite_with_rowid=False,
)

contents = Table(
    "contents",
    metadata,
    _completion(),
    required("request", LargeBinary, "the request's body"),
    required("answer", LargeBinary, "the answer's body, or its stream"),
    comment="prompts and answers, only of routers with store_content",
)

feedback = Table(
    "feedback",
    metadata,
    _completion("the request that was scored"),
    key("id", Text, "fbk_…"),
    required("key_id", Text, "the key of whoever scored"),
    required("source", Text, "who or what scored: each has one current score per request"),
    required("score", Double, "from 0 to 1"),
    required("at", Double, "when it was given"),
    optional("comment", Text, "as given"),
    Column("metadata", Text().with_variant(JSONB(), "postgresql"), comment="JSON, as given"),
    required("status", Text, "recorded, updated or unchanged"),
    Index(None, "at"),
    check("score", *within("0", "1", "score"), *instants("at")),
    check("status", one_of("status", "recorded", "updated", "unchanged")),
    comment="every score that changed the current one, or came with a comment or metadata",
)

scores = Table(
    "scores",
    metadata,
    _completion("the request that was scored"),
    key("source", Text, "who or what scored"),
    required("score", Double, "from 0 to 1"),
    required("feedback_id", Text, "feedback.id: the one that gave it"),
    Column(
        "weight",
        Double,
        nullable=False,
        server_default=text("1"),  # not written by older versions
        comment="1/n for an episode of n completions",
    ),
    check("score", *within("0", "1", "score", "weight")),
    comment="the current score of each source; the quality statistics are sums of these",
    sqlite_with_rowid=False,
)


def _sums() -> list["Column[object]"]:
    return [
        key("router_id", Text, "the router"),
        key("model_id", Text, "the model"),
        key("task", Text, "the class; empty: all of them"),
        key("signal", Text, "what the sums are about"),
        required("at", Double, "the instant to which they have faded"),
        required("half_life", Double, "seconds in which they fade by half; infinite: never"),
        required("weight", Double, "sum of the weights"),
        required("total", Double, "sum of the values"),
        required("squares", Double, "sum of their squares"),
    ]


# Without a check that the sums are finite: an update of a broken row would refuse each batch until a rebuild mends it.
arms = Table(
    "arms",
    metadata,
    *_sums(),
    required("revision", BigInteger, "of the last change, by which other processes find it"),
    Index(None, "model_id", "signal", "router_id"),  # never updated: these columns don't change
    comment="sufficient statistics, only ever added to",
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 50},  # room for HOT updates
)

statistic_changes = Table(
    "statistic_changes",
    metadata,
    key("router_id", Text, "the router"),
    required("revision", BigInteger, "of the last change, by which other processes find it"),
    Index(None, "revision"),
    comment="when statistics, budget or activity of a router changed last",
)

checkpoints = Table(
    "checkpoints",
    metadata,
    *_sums(),
    comment="the sums that deleted decisions had added to arms",
    sqlite_with_rowid=False,
)

rebuilds_due = Table(
    "rebuilds_due",
    metadata,
    key("router_id", Text, "the router"),
    required("since", Double, "when its half-lives were changed"),
    required("rebuilt", Boolean, "once, but a process may have used the former half-lives after that"),
    comment="routers whose half-lives were changed: see storage.stores.rebuilds_due",
)

retired_months = Table(
    "retired_months",
    metadata,
    key("suffix", Text, "end of the names of the month's tables"),
    required("folded_to", Text, "the last completion_id that is in the checkpoints"),
    comment="months that retention has detached, until the checkpoints have what they taught; only on PostgreSQL",
)

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
"""Columns of the histogram of waits, in half-octaves from 0.05 s."""

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
    Index("ix_key_usage_revision", "revision", **_only("width = 86400")),
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

arm_priors = Table(
    "arm_priors",
    metadata,
    key("router_id", Text, "the router"),
    key("model_id", Text, "the model"),
    required("prior", Text, "JSON of bandit.types.ArmPrior, without its scorecard"),
    required("created_at", Double, "when the model joined"),
    comment="priors from other routers, copied when a model joins a router and never changed",
    sqlite_with_rowid=False,
)

tasks = Table(
    "tasks",
    metadata,
    key("router_id", Text, "the router"),
    key("task", Text, "as callers state it"),
    required("first_used_at", Double, "when it was admitted"),
    required("last_used_at", Double, "when it was used last, to the hour"),
    comment="task names stated by callers, up to 64 per router: each is a class of the statistics",
)

evals = Table(
    "evals",
    metadata,
    key("id", Text, "eval_…"),
    required("name", Text, "as people call it"),
    required("metric", Text, "what was measured"),
    required("unit", Text, "of the metric"),
    required("minimum", Double, "the metric's value that counts as 0"),
    required("maximum", Double, "the metric's value that counts as 1"),
    Column("router_id", Text, index=True, comment="the router that it is for; null: all routers"),
    required("created_at", Double, "when it was imported"),
    Column("made_at", Double, nullable=False, server_default=text("0"), comment="when it was made: it fades from then"),
    Column("import_id", Text, nullable=False, server_default="", comment="eval_scores.import_id of its rows"),
    optional("withdrawn_at", Double, "from when on it does not count; null: it counts"),
    comment="evaluations of models elsewhere, whose scores count beside users'",
)

eval_scores = Table(
    "eval_scores",
    metadata,
    key("import_id", Text, "imp_…, begins with its time; without an evaluation: an import that is not done, or failed"),
    key("model_id", Text, "the model"),
    key("task", Text, "the class; empty: none"),
    key("prompt_id", Text, "as given; empty: a mean over several prompts"),
    required("score", Double, "from 0 to 1"),
    required("weight", Double, "the number of prompts of a mean, else 1"),
    optional("prompt_tokens", Double, "of the answer, or their mean; null: not known"),
    optional("completion_tokens", Double, "of the answer, or their mean; null: not known"),
    optional("cost_usd", Double, "of the answer, or their mean; null: not known"),
    optional("seconds", Double, "of the answer, or their mean; null: not known"),
    required("notes", Text, "as given"),
    check("score", *within("0", "1", "score"), *within("0", "1e9", "weight", "cost_usd", "seconds")),
    check("tokens", *within("0", "1e9", "prompt_tokens", "completion_tokens")),
    comment="the rows of evaluations",
    sqlite_with_rowid=False,
)

eval_sums = Table(
    "eval_sums",
    metadata,
    Column("eval_id", Text, ForeignKey("evals.id", ondelete="CASCADE"), primary_key=True, comment="the evaluation"),
    key("model_id", Text, "the model"),
    key("task", Text, "the class; empty: none"),
    key("signal", Text, "what the sums are about"),
    required("weight", Double, "sum of the weights"),
    required("total", Double, "sum of the values"),
    required("squares", Double, "sum of their squares"),
    comment="sums of the evaluations' rows, as they were at evals.made_at",
    sqlite_with_rowid=False,
)

identity = Table(
    "identity",
    metadata,
    key("ledger_id", Text, "led_…"),
    required("epoch", BigInteger, "counted up by a restore"),
    required("created_at", Double, "when the ledger was made"),
    comment="one row, made by the migrations: see storage.stores.identity",
)

audit = Table(
    "audit",
    metadata,
    key("id", Text, "chg_…, sorts by age"),
    required("at", Double, "when it was changed"),
    optional("key_id", Text, "whose API key; null: the command line or the configuration file"),
    required("via", Text, "api, dashboard, cli or file"),
    required("action", Text, "such as router.update"),
    required("target", Text, "id of what was changed"),
    required("before", Text, "JSON: the changed fields as they were"),
    required("after", Text, "JSON: the changed fields as they became"),
    optional("request_id", Text, "req_…, of the call that changed it"),
    optional("reverted_by", Text, "id of the change that took this one back"),
    check("times", *instants("at")),
    check("via", one_of("via", "api", "dashboard", "cli", "file")),
    Index(None, "target", "id"),
    Index(None, "request_id"),
    comment="who changed which router, key, scorecard or model, written in the change's own transaction",
)

idempotency = Table(
    "idempotency",
    metadata,
    key("key_id", Text, "the caller's API key"),
    key("name", Text, "the Idempotency-Key that it gave"),
    required("digest", Text, "SHA-256 of the request"),
    required("request_id", Text, "req_…, of the call that does it"),
    required("at", Double, "when that call began"),
    optional("status", Integer, "of its answer; null: it is not known yet"),
    optional("headers", Text, "JSON: headers of its answer"),
    optional("body", LargeBinary, "of its answer, without a secret"),
    check("times", *instants("at")),
    Index(None, "at"),
    comment="management calls that name an Idempotency-Key, for a day: see storage.stores.idempotency",
)

replicas = Table(
    "replicas",
    metadata,
    key("id", Text, "rep_…, made anew at each start"),
    required("host", Text, "its machine's or container's name"),
    required("pid", BigInteger, "its process id there"),
    required("version", Text, "of the gateway"),
    required("spool", Text, "path that the names of its spool's files begin with"),
    required("started_at", Double, "by the database's clock"),
    required("heartbeat_at", Double, "by the database's clock"),
    required("clock_ahead_seconds", Double, "of its machine, against the database's"),
    optional("spooling_since", Double, "its spool may hold requests that ended since; null: it is empty"),
    optional("state", Text, "JSON: how it is doing; null: not told yet, or an older version"),
    check("times", *instants("started_at", "heartbeat_at", "spooling_since")),
    comment="processes that serve the ledger; deleted when they stop, or a day after the last heartbeat",
)

refused_records = Table(
    "refused_records",
    metadata,
    key("completion_id", Text, "req_…"),
    required("router_id", Text, "the router"),
    required("refused_at", Double, "when"),
    required("reason", Text, "what the database said"),
    required("record", LargeBinary, "all of it, as storage.stores.refused encodes it"),
    check("times", *instants("refused_at")),
    comment="requests whose records the database refused: see `bandit-gateway records`",
)

settings = Table(
    "settings",
    metadata,
    key("name", Text, "what it is"),
    required("value", Text, "JSON"),
    required("updated_at", Double, "when it was changed last"),
    comment="small state that all processes of a ledger share",
)

revisions = Table(
    "revisions",
    metadata,
    key("topic", Text, "what changes"),
    required("value", BigInteger, "number of changes"),
    comment="a counter of changes per topic, by which processes find what others changed",
)

changes = Table(
    "changes",
    metadata,
    key("topic", Text, "what changed"),
    Column("revision", BigInteger, primary_key=True, autoincrement=False, comment="the topic's count at the change"),
    required("subject", Text, "id of what changed"),
    comment="the subject of each of the last 10,000 changes of a topic",
    sqlite_with_rowid=False,
)
