"""Bounds of one transaction: so many rows and bytes that a database has written them in a fraction of a second."""

import msgspec

from storage.records import ComparisonRecord, CompletionRecord, FeedbackRecord, JudgingRecord, ValidityRecord

MOST_ROWS = 2_000
MOST_BYTES = 4 * 2**20
"""A transaction exceeds these by one item at most: an item is written as a whole."""


def size_of(
    item: CompletionRecord | ValidityRecord | JudgingRecord | ComparisonRecord | tuple[FeedbackRecord, ...],
) -> tuple[int, int]:
    """Roughly the rows and bytes of a request with what belongs to it, or of another item."""
    if isinstance(item, CompletionRecord):
        content = 0 if item.content is None else len(item.content.request) + len(item.content.answer)
        # Requests change the same statistics, for the most part.
        return 2 + len(item.attempts) + len(item.deltas) // 8, content + len(item.decision.choice)
    if isinstance(item, ValidityRecord | JudgingRecord):
        return 1, 0
    if isinstance(item, ComparisonRecord):
        return 4, _comment_bytes(item.feedback)
    return 3 * len(item), sum(map(_comment_bytes, item))


def _comment_bytes(record: FeedbackRecord) -> int:
    comment = 0 if record.comment is None else len(record.comment)
    return comment if record.metadata is None else comment + len(msgspec.json.encode(record.metadata))
