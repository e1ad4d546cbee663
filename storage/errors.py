"""Errors of the ledger.

LedgerError
├── DatabaseUnavailable   the database can't be opened, reached, read or written now
│   ├── DatabaseTimeout   the database made no progress within the watchdog's limit
│   └── SchemaOutdated    the database has an older schema than this version needs
├── BackupError           a backup can't be made or restored
├── TransferRefused       a ledger can't be copied to another database
├── WriterFull            the writer's queue has reached its limit
├── Contention            a deadlock or a serialization failure: a retry may succeed
├── InvalidCursor         a page was asked for with a cursor that was never given out
├── SpoolFull             neither the database nor the local spool can take a record
├── SpoolRefused          a spool file is damaged, or another ledger's: it is left alone
├── RecordRefused         the database rejects this record; a retry won't help
└── FeedbackError         a score that can't be recorded; `index` says which of its list
    ├── CompletionNotFound
    ├── NoAnswerToScore
    ├── TooManySources
    ├── TooManyCorrections
    └── TooManyCompletions
"""


class LedgerError(Exception):
    """The ledger can't do what was asked."""


class DatabaseUnavailable(LedgerError):
    """The database can't be opened, reached, read or written now. The message is one line, with the remedy."""


class DatabaseTimeout(DatabaseUnavailable):
    """The database made no progress within the watchdog's limit: it hangs, or it was too much at once."""


class SchemaOutdated(DatabaseUnavailable):
    """The database has an older schema than this version needs."""


class BackupError(LedgerError):
    """A backup can't be made or restored. The message is one line, with the remedy."""


class TransferRefused(LedgerError):
    """A ledger can't be copied to another database. The message is one line, with the remedy."""


class WriterFull(LedgerError):
    """The writer's queue has reached its limit: retry shortly."""


class Contention(LedgerError):
    """A deadlock or a serialization failure: the same transaction may succeed if it is retried."""


class InvalidCursor(LedgerError):
    """A page was asked for with a cursor that was never given out."""


class SpoolFull(LedgerError):
    """Neither the database nor the local spool can take a record."""


class SpoolRefused(LedgerError):
    """A spool file is damaged, or another ledger's: it is left alone. The message has the remedy."""


class RecordRefused(LedgerError):
    """The database rejects this record, and would reject it again."""


class FeedbackError(LedgerError):
    """A score that can't be recorded; nothing of its list was."""

    def __init__(self, index: int) -> None:
        super().__init__(f"{type(self).__doc__} (item {index})")
        self.index = index


class CompletionNotFound(FeedbackError):
    """There is no such completion that this key may score."""


class NoAnswerToScore(FeedbackError):
    """The call produced no answer."""


class ScoreOffScale(FeedbackError):
    """The score is not on the scale of the completion's router."""

    def __init__(self, index: int, worst: float, best: float) -> None:
        super().__init__(index)
        self.worst = worst
        self.best = best


class TooManySources(FeedbackError):
    """The completion has scores of as many sources as it takes."""


class TooManyCompletions(FeedbackError):
    """The list scores more completions, with those of its episodes, than one transaction takes."""


class TooManyCorrections(FeedbackError):
    """The completion was corrected as often as it may be."""
