"""Tables of routers, their models, the settings stored in the ledger, and who changed what."""

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, LargeBinary, Table, Text

from storage.columns import check, counts, instants, key, one_of, optional, required, within
from storage.tables.metadata import metadata

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
    key("model_id", Text, "the arm's id: provider/model, for a variant followed by @ and its name"),
    required("position", Integer, "place in the router's list, from 0"),
    required("enabled", Boolean, "false: it gets no requests and keeps its statistics"),
    required("min_share", Double, "least share of the requests"),
    required("max_share", Double, "largest share of the requests"),
    optional("variant", Text, "JSON: the model's id and its settings; null: the model as it is"),
    check("shares", *within("0", "1", "min_share", "max_share"), *counts("position")),
    comment="the models of each router",
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
    optional("forecast", Text, "JSON: what was expected of the change, from the log; null: nothing"),
    check("times", *instants("at")),
    check("via", one_of("via", "api", "dashboard", "cli", "file")),
    Index(None, "target", "id"),
    Index(None, "request_id"),
    comment="who changed which router, key, scorecard or model, written in the change's own transaction",
)
