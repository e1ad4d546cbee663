"""Tables of what routers learned: sums per arm, and what their rebuilds start from."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Table, Text

from storage.columns import key, optional, required
from storage.tables.metadata import metadata


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
    key("task", Text, "as callers state it, or site:… of a call site"),
    required("first_used_at", Double, "when it was admitted"),
    required("last_used_at", Double, "when it was used last, to the hour"),
    optional("name", Text, "of a call site: the first words of its prompt, or as people call it; null: stated"),
    optional("built_in", Text, "of a call site: the built-in class that its statistics back off to; null: stated"),
    comment="tasks that callers state and call sites, up to 64 per router: each is a class of the statistics",
)
