"""What can go wrong with the ledger.

LedgerError
├── DatabaseUnavailable   the database can't be opened, reached, read or written now
├── SchemaOutdated        the database has another schema than this version needs
├── WriterFull            more is waiting to be written than the queue holds
├── Contention            two transactions were in each other's way: the same again may pass
├── InvalidCursor         a page was asked for with a cursor that was never given out
├── SpoolFull             neither the database nor the local spool can take a record
├── RecordRefused         the database takes no such record, now or later
└── FeedbackError         a score that can't be recorded; `index` says which of its list
    ├── CompletionNotFound
    ├── NoAnswerToScore
    └── TooManySources
"""


class LedgerError(Exception):
    """The ledger can't do what was asked."""


class DatabaseUnavailable(LedgerError):
    """The database can't be opened, reached, read or written now. The message is one line, with the remedy."""


class SchemaOutdated(DatabaseUnavailable):
    """The database has another schema than this version needs."""


class WriterFull(LedgerError):
    """More is waiting to be written than the queue holds: try again shortly."""


class Contention(LedgerError):
    """Two transactions were in each other's way: the same again may pass."""


class InvalidCursor(LedgerError):
    """A page was asked for with a cursor that was never given out."""


class SpoolFull(LedgerError):
    """Neither the database nor the local spool can take a record."""


class RecordRefused(LedgerError):
    """The database takes no such record, now or later."""


class FeedbackError(LedgerError):
    """A score that can't be recorded; nothing of its list was."""

    def __init__(self, index: int) -> None:
        super().__init__(f"{type(self).__doc__} (item {index})")
        self.index = index


class CompletionNotFound(FeedbackError):
    """There is no such completion that this key may score."""


class NoAnswerToScore(FeedbackError):
    """The call produced no answer."""


class TooManySources(FeedbackError):
    """The completion has scores of as many sources as it takes."""
