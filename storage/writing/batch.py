"""Bounds of one transaction: so many rows and bytes that a database has written them in a fraction of a second."""

from typing import NamedTuple

import msgspec

from storage.records import CompletionRecord, FeedbackRecord, ValidityRecord

MOST_ROWS = 2_000
MOST_BYTES = 4 * 2**20
"""A transaction exceeds these by one item at most: an item is written as a whole."""


class Size(NamedTuple):
    """Rows and bytes that an item, or several, write; roughly."""

    rows: int = 0
    bytes: int = 0

    def plus(self, other: "Size") -> "Size":
        """Add two sizes."""
        return Size(self.rows + other.rows, self.bytes + other.bytes)

    @property
    def full(self) -> bool:
        """Whether no more belongs into the same transaction."""
        return self.rows >= MOST_ROWS or self.bytes >= MOST_BYTES


def size_of(item: CompletionRecord | ValidityRecord | tuple[FeedbackRecord, ...]) -> Size:
    """The size of a request with what belongs to it, of a validity, or of a list of scores."""
    if isinstance(item, CompletionRecord):
        content = 0 if item.content is None else len(item.content.request) + len(item.content.answer)
        return Size(2 + len(item.attempts) + len(item.deltas), content + len(item.decision.choice))
    if isinstance(item, ValidityRecord):
        return Size(1 + len(item.deltas))
    return Size(3 * len(item), sum(map(_comment_bytes, item)))


def _comment_bytes(record: FeedbackRecord) -> int:
    comment = 0 if record.comment is None else len(record.comment)
    return comment if record.metadata is None else comment + len(msgspec.json.encode(record.metadata))
