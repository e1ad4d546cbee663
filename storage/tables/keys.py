"""Tables of callers' and administrators' keys, and of the calls that they may repeat."""

from sqlalchemy import Column, Double, Index, Integer, LargeBinary, Table, Text

from storage.columns import check, instants, key, optional, required
from storage.tables.metadata import metadata

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
