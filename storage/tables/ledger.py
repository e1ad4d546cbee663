"""Tables of the ledger itself: its identity, the processes that write to it, and what it refused."""

from sqlalchemy import BigInteger, Double, LargeBinary, Table, Text

from storage.columns import check, instants, key, optional, required
from storage.tables.metadata import metadata

identity = Table(
    "identity",
    metadata,
    key("ledger_id", Text, "led_…"),
    required("epoch", BigInteger, "counted up by a restore"),
    required("created_at", Double, "when the ledger was made"),
    comment="one row, made by the migrations: see storage.stores.identity",
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
