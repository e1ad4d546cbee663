"""The spool: local SQLite files that take completions, up to a limit, while the database is unavailable.

Each process claims a file of its own, `…spool-0.db`, `…spool-1.db`, …; a claim ends with its process, so that the next
process finds and replays what a dead one has left. Empty files stay, with their space on the disk reserved.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from zlib import decompress

from sqlalchemy import delete, func, select

from bandit.types import Attempt, BudgetState, Deltas, Scores, Signal
from storage.database.engine import Database, open_database
from storage.database.sqlite import create_privately
from storage.deltas import decode_deltas
from storage.errors import DatabaseUnavailable, LedgerError, SpoolFull
from storage.records import CompletionRecord, Content
from storage.rows import read_attempt, read_decision, read_outcome
from storage.stores.arms import read_sums, select_sums
from storage.tables import arms, attempts, choices, contents, decisions, traffic
from storage.writing.transaction import Transactions

_MOST_FILES = 256
_EMPTIED = (choices, arms, traffic)


class Spool:
    """Completions that could not be written yet, in one file, or in several after adopting those of dead processes.

    `stem` is the path that the files' names begin with; `limit` bounds the completions.
    """

    def __init__(self, stem: Path, limit: int = 100_000) -> None:
        self._stem = stem
        self._limit = limit
        self._files: list[_File] = []
        self._failing = False

    @property
    def count(self) -> int:
        """Completions in the spool."""
        return sum(file.count for file in self._files)

    @property
    def full(self) -> bool:
        """Whether no more are accepted: the limit is reached, or the file can't be written."""
        return self._failing or self.count >= self._limit

    def append(self, records: Sequence[CompletionRecord]) -> None:
        """Write completions durably. Raises SpoolFull if that fails.

        The limit is not checked here: requests are refused before a provider is paid, and those that run are recorded.
        """
        try:
            if not self._files:
                self._claim_own()
            self._files[0].append(records)
        except (DatabaseUnavailable, SpoolFull) as error:
            self._failing = True
            raise SpoolFull(f"the local spool {self._stem} can't be written: {error}") from error
        self._failing = False

    def oldest(self, count: int, but: Collection[str] = ()) -> list[CompletionRecord]:
        """Read up to `count` completions, the oldest first, without those in `but`. Raises DatabaseUnavailable."""
        for file in self._files:
            found = file.oldest(count, but) if file.count else []
            if found:
                return found
        return []

    def remove(self, ids: Sequence[str]) -> None:
        """Delete completions that are in the database. Raises DatabaseUnavailable if a file can't be written."""
        for file in self._files:
            file.remove(ids)

    def adopt(self) -> None:
        """Take over the files of dead processes. Raises DatabaseUnavailable if a file can't be opened."""
        mine = {file.path for file in self._files}
        for path in sorted(self._stem.parent.glob(f"{self._stem.name}spool-*.db")):
            if path not in mine:
                file = _File.claim(path)
                if file is not None and file.count:
                    self._files.append(file)
                elif file is not None:
                    file.close()

    def close(self) -> None:
        """Release the claims. Completions stay in the files."""
        for file in self._files:
            file.close()
        self._files.clear()

    def _claim_own(self) -> None:
        for number in range(_MOST_FILES):
            file = _File.claim(self._stem.with_name(f"{self._stem.name}spool-{number}.db"))
            if file is not None:
                self._files.append(file)
                return
        raise SpoolFull(f"{_MOST_FILES} processes have a spool already")


class _File:
    """One spool file, claimed."""

    def __init__(self, path: Path, claim: sqlite3.Connection) -> None:
        self.path = path
        self._claim = claim
        # `full`: these answers are acknowledged, and must survive the loss of power as they would in the database.
        self._database = open_database(f"sqlite:///{path}", sqlite_synchronous="full")
        self._transactions = _plain_transactions(self._database)
        with self._database.read() as connection:
            self.count: int = connection.execute(select(func.count()).select_from(decisions)).scalar_one()

    @classmethod
    def claim(cls, path: Path) -> "_File | None":
        """Claim and open the file; None if a living process has it. Raises DatabaseUnavailable."""
        lock = path.with_suffix(".lock")
        create_privately(lock)
        try:
            claim = sqlite3.connect(lock, timeout=0, isolation_level=None, check_same_thread=False)
            try:
                claim.execute("BEGIN EXCLUSIVE")
                return cls(path, claim)
            except BaseException:
                claim.close()
                raise
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return None
            raise DatabaseUnavailable(f"{path} can't be claimed: {error}") from error

    def append(self, records: Sequence[CompletionRecord]) -> None:
        self.count += self._transactions.write(records, again=True).recorded

    def oldest(self, count: int, but: Collection[str]) -> list[CompletionRecord]:
        columns = (choices.c.choice, contents.c.request, contents.c.answer)
        query = (
            select(decisions, *columns)
            .join_from(decisions, choices, decisions.c.choice_id == choices.c.id)
            .join(contents, contents.c.completion_id == decisions.c.completion_id, isouter=True)
            .where(decisions.c.completion_id.notin_(list(but)))
            .order_by(decisions.c.completion_id)
            .limit(count)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            tried: dict[str, list[Attempt]] = defaultdict(list)
            ids = [row.completion_id for row in rows]
            for row in connection.execute(select(attempts).where(attempts.c.completion_id.in_(ids))):
                tried[row.completion_id].append(read_attempt(row))
            half_lives = {
                (key.router_id, key.signal): sums.half_life
                for key, sums in read_sums(connection.execute(select_sums(arms))).items()
            }

        def half_life(router_id: str, signal: Signal) -> float:
            return half_lives[router_id, signal]

        return [
            CompletionRecord(
                decision=read_decision(row, decompress(row.choice)),
                attempts=tuple(sorted(tried[row.completion_id], key=lambda attempt: attempt.number)),
                outcome=read_outcome(row),
                deltas=dict(decode_deltas(row.learned, row.router_id, row.ended_at, half_life)),
                content=None if row.request is None else Content(row.request, row.answer),
            )
            for row in rows
        ]

    def remove(self, ids: Sequence[str]) -> None:
        if not self.count:
            return
        with self._database.write() as connection:
            connection.execute(delete(decisions).where(decisions.c.completion_id.in_(ids)))
            left: int = connection.execute(select(func.count()).select_from(decisions)).scalar_one()
            if left == 0:
                for table in _EMPTIED:
                    connection.execute(delete(table))
        self.count = left
        if left == 0:
            self._transactions.close()
            self._transactions = _plain_transactions(self._database)  # whose cache has no choice that was deleted

    def close(self) -> None:
        self._transactions.close()
        self._database.close()
        self._claim.close()


def spool_stem(database_url: str) -> Path:
    """The spool's path without its suffix: beside an SQLite file, else in the working directory."""
    kind, _, path = database_url.partition(":///")
    beside = Path(path) if kind == "sqlite" else Path("bandit-gateway.db")
    return beside.with_name(f"{beside.stem}.")


def _plain_transactions(database: Database) -> Transactions:
    def no_scores(before: Scores, after: Scores) -> Deltas:
        raise LedgerError("a spool takes no scores")

    def no_budget(router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
        return None

    return Transactions(database, no_scores, no_budget)
