"""Tables of the scores that callers sent and of what counts of them."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from storage.columns import check, counts, instants, key, one_of, optional, required, within
from storage.tables.metadata import completion, metadata

feedback = Table(
    "feedback",
    metadata,
    completion("the request that was scored"),
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
    completion("the request that was scored"),
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

unmatched = Table(
    "unmatched",
    metadata,
    key("key_id", Text, "the API key that sent them"),
    key("day", Integer, "UTC day, in days since the epoch"),
    required("count", BigInteger, "requests with scores of which one matched no completion"),
    required("example", Text, "why the last one did not"),
    check("counts", *counts("count")),
    comment="scores that matched no completion, of the last 30 days",
    sqlite_with_rowid=False,
)
