"""The tables and the meaning of their columns.

Times are seconds since the epoch, money is in dollars. JSON is stored as text, in our own encoding. No foreign key
leads from the ledger to `routers`: a new router of a deleted one's id takes up its requests again.
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

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _required(name: str, type_: type) -> "Column[object]":
    return Column(name, type_, nullable=False)


routers = Table(
    "routers",
    metadata,
    Column("id", Text, primary_key=True),
    _required("name", Text),
    _required("secret", LargeBinary),
    _required("settings", Text),
    _required("created_at", Double),
    _required("updated_at", Double),
    Column("deleted_at", Double),  # its ledger stays, and is learned, rebuilt and pruned by these settings
)

router_models = Table(
    "router_models",
    metadata,
    Column("router_id", Text, ForeignKey("routers.id", ondelete="CASCADE"), primary_key=True),
    Column("model_id", Text, primary_key=True),
    _required("position", Integer),
    _required("enabled", Boolean),
    _required("min_share", Double),
    _required("max_share", Double),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True),
    _required("label", Text),
    _required("scopes", Text),
    Column("routers", Text),
    _required("created_at", Double),
    Column("expires_at", Double),
    Column("revoked_at", Double),
)

choices = Table(
    "choices",
    metadata,
    Column("id", Text, primary_key=True),  # the completion_id of the decision that used it first
    _required("router_id", Text),
    _required("at", Double),
    _required("choice", LargeBinary),  # JSON, compressed with zlib: the largest part of a request's bytes
    Index(None, "router_id", "at"),
)

_IN_EPISODES: dict[str, Any] = {
    f"{dialect}_where": text("episode_id IS NOT NULL") for dialect in ("sqlite", "postgresql")
}

decisions = Table(
    "decisions",  # requests: a decision and its outcome are one row, because both become durable together
    metadata,
    Column("completion_id", Text, primary_key=True),
    _required("router_id", Text),
    _required("key_id", Text),
    _required("at", Double),
    _required("choice_id", Text),
    _required("choice_digest", Text),
    _required("algorithm", Text),
    _required("policy", Text),
    _required("task", Text),
    _required("drawn_model_id", Text),
    _required("u", Double),
    _required("propensity", Double),
    _required("randomised", Boolean),
    _required("stream", Boolean),
    _required("estimated_prompt_tokens", BigInteger),
    _required("request_bytes", BigInteger),
    Column("instructions", Text),
    _required("status", Text),
    _required("ended_at", Double),
    _required("seconds", Double),
    _required("overhead_seconds", Double),
    Column("model_id", Text),  # who answered
    _required("attempts", Integer),
    Column("prompt_tokens", BigInteger),
    _required("cached_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    _required("cost_usd", Double),
    _required("estimated", Boolean),
    Column("finish_reason", Text),
    _required("reason", Text),
    _required("http_status", Integer),
    Column("error_code", Text),
    Column("valid", Boolean),
    _required("learned", Text),  # the deltas of the statistics, encoded by storage.deltas
    Column("episode_id", Text),  # the caller's own id of what it belongs to, such as an agent's run
    Index(None, "router_id", "at"),
    Index(None, "key_id", "episode_id", "completion_id", **_IN_EPISODES),
)

attempts = Table(
    "attempts",
    metadata,
    Column("completion_id", Text, ForeignKey("decisions.completion_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    _required("model_id", Text),
    _required("propensity", Double),
    _required("randomised", Boolean),
    _required("ending", Text),
    _required("started_at", Double),
    _required("seconds", Double),
    _required("stream", Boolean),
    Column("first_token_seconds", Double),
    Column("status", Integer),
    _required("detail", Text),
    Column("finish_reason", Text),
    Column("prompt_tokens", BigInteger),
    _required("cached_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    _required("cost_usd", Double),
    _required("estimated", Boolean),
    _required("cost_known", Boolean),
    Column("cost_stated", Boolean, nullable=False, server_default=false()),  # not written by older versions
    Column("token_details", Text),  # JSON: token counts by name that have prices of their own; null: none
    sqlite_with_rowid=False,
)

contents = Table(
    "contents",  # prompts and answers, only of routers with store_content
    metadata,
    Column("completion_id", Text, ForeignKey("decisions.completion_id", ondelete="CASCADE"), primary_key=True),
    _required("request", LargeBinary),
    _required("answer", LargeBinary),
)

feedback = Table(
    "feedback",  # every score that changed the current one, or came with a comment or metadata
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "completion_id", Text, ForeignKey("decisions.completion_id", ondelete="CASCADE"), nullable=False, index=True
    ),
    _required("key_id", Text),
    _required("source", Text),
    _required("score", Double),
    _required("at", Double),
    Column("comment", Text),
    Column("metadata", Text),
    _required("status", Text),
)

scores = Table(
    "scores",  # the current score of each source; the quality statistics are sums of these
    metadata,
    Column("completion_id", Text, ForeignKey("decisions.completion_id", ondelete="CASCADE"), primary_key=True),
    Column("source", Text, primary_key=True),
    _required("score", Double),
    _required("feedback_id", Text),
    # 1/n for an episode of n completions. Not written by older versions.
    Column("weight", Double, nullable=False, server_default=text("1")),
    sqlite_with_rowid=False,
)


def _sums() -> list["Column[object]"]:
    return [
        Column("router_id", Text, primary_key=True),
        Column("model_id", Text, primary_key=True),
        Column("task", Text, primary_key=True),
        Column("signal", Text, primary_key=True),
        _required("at", Double),
        _required("half_life", Double),
        _required("weight", Double),
        _required("total", Double),
        _required("squares", Double),
    ]


arms = Table(
    "arms",  # sufficient statistics, only ever added to
    metadata,
    *_sums(),
    _required("revision", BigInteger),
    Index(None, "model_id", "signal", "router_id"),  # never updated: these columns don't change
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 50},  # room for HOT updates
)

statistic_changes = Table(
    "statistic_changes",  # when statistics, budget or traffic of a router changed last
    metadata,
    Column("router_id", Text, primary_key=True),
    _required("revision", BigInteger),  # without an index, which each commit would have to update
)

checkpoints = Table(
    "checkpoints",  # the sums that deleted decisions had added to `arms`
    metadata,
    *_sums(),
    sqlite_with_rowid=False,
)

rebuilds_due = Table(
    "rebuilds_due",  # routers whose half-lives were changed: see storage.stores.rebuilds_due
    metadata,
    Column("router_id", Text, primary_key=True),
    _required("since", Double),
    _required("rebuilt", Boolean),  # once, but a process may have used the former half-lives after that
)

budgets = Table(
    "budgets",
    metadata,
    Column("router_id", Text, primary_key=True),
    _required("multiplier", Double),
    Column("mean_cost_usd", Double),
    _required("revision", BigInteger),
)

traffic = Table(
    "traffic",  # requests, answers and cost of each model per UTC day
    metadata,
    Column("router_id", Text, primary_key=True),
    Column("day", Integer, primary_key=True),  # days since the epoch
    Column("model_id", Text, primary_key=True),
    _required("drawn", BigInteger),  # first draws
    _required("answered", BigInteger),
    _required("attempts", BigInteger),
    _required("failures", BigInteger),  # attempts that did not answer
    _required("prompt_tokens", BigInteger),
    _required("completion_tokens", BigInteger),
    _required("cost_usd", Double),
    _required("revision", BigInteger),
    Index(None, "day"),  # the table is never pruned, and today's spend is read often
    sqlite_with_rowid=False,
)

arm_priors = Table(
    "arm_priors",  # priors from other routers, copied when a model joins a router and never changed
    metadata,
    Column("router_id", Text, primary_key=True),
    Column("model_id", Text, primary_key=True),
    _required("prior", Text),  # JSON of bandit.types.ArmPrior, without its scorecard
    _required("created_at", Double),
    sqlite_with_rowid=False,
)

tasks = Table(
    "tasks",  # task names stated by callers, up to 64 per router: each is a class of the statistics
    metadata,
    Column("router_id", Text, primary_key=True),
    Column("task", Text, primary_key=True),
    _required("first_used_at", Double),
    _required("last_used_at", Double),
)

evals = Table(
    "evals",  # scorecards
    metadata,
    Column("id", Text, primary_key=True),
    _required("name", Text),
    _required("metric", Text),
    _required("unit", Text),
    _required("minimum", Double),
    _required("maximum", Double),
    Column("router_id", Text, index=True),  # null: all routers
    _required("created_at", Double),
)

eval_rows = Table(
    "eval_rows",
    metadata,
    Column("eval_id", Text, ForeignKey("evals.id", ondelete="CASCADE"), primary_key=True),
    Column("model_id", Text, primary_key=True),
    _required("score", Double),  # in [0, 1]
    _required("notes", Text),
)

identity = Table(
    "identity",  # one row, made by the migrations: see storage.stores.identity
    metadata,
    Column("ledger_id", Text, primary_key=True),
    _required("epoch", BigInteger),
    _required("created_at", Double),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    _required("value", Text),
    _required("updated_at", Double),
)

revisions = Table(
    "revisions",  # a counter of changes per topic: see storage.database.revisions
    metadata,
    Column("topic", Text, primary_key=True),
    _required("value", BigInteger),
)

changes = Table(
    "changes",  # the subject of each of the last 10,000 changes of a topic
    metadata,
    Column("topic", Text, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    _required("subject", Text),  # its id
    sqlite_with_rowid=False,
)
