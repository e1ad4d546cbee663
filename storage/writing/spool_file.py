"""One file of the spool: a SQLite ledger in small, claimed by one process, and owned by one ledger.

The first row of a ledger's file names the ledger that its records are for. A file of a version that wrote no name is
this ledger's if this ledger has every key that the records were asked for with: keys have random ids, and are never
deleted.
"""

import contextlib
import logging
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select

from bandit.statistics import Deltas, Signal
from bandit.types import Attempt, BudgetState, Scores
from storage.database.engine import Database, first_line, open_database
from storage.database.sqlite import create_privately, is_damage
from storage.deltas import decode_deltas
from storage.errors import DatabaseUnavailable, LedgerError, SpoolRefused
from storage.records import CompletionRecord, Content
from storage.rows import read_attempt, read_choice_record, read_decision, read_outcome
from storage.stores.arms import read_sums, select_sums
from storage.tables import activity, arms, attempts, choices, contents, decisions, key_usage, settings
from storage.writing.batch import MOST_BYTES
from storage.writing.transaction import Transactions

log = logging.getLogger(__name__)

LOCKED_SECONDS = 0.2
"""How long a file that somebody has locked is waited for: records wait meanwhile."""

_EMPTIED = (choices, arms, activity, key_usage)
_OWNER = "spool_of"


@dataclass(frozen=True, slots=True)
class Owner:
    """The ledger of a spool. `has_keys` tells whether all of these key ids are its own."""

    ledger_id: str
    has_keys: Callable[[Collection[str]], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds: completions, the ledger that they are for (None: not named), the keys they came with."""

    count: int = 0
    ledger_id: str | None = None
    key_ids: frozenset[str] = frozenset()


def inspect_file(path: Path) -> Found:
    """Look into a file without changing it. Raises SpoolRefused if it is damaged, DatabaseUnavailable."""
    _require_file(path)
    try:
        place = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(place, uri=True, timeout=LOCKED_SECONDS)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "decisions" not in tables:
                return Found()
            (count,) = connection.execute("SELECT count(*) FROM decisions").fetchone()
            named = connection.execute("SELECT value FROM settings WHERE name = ?", (_OWNER,)).fetchone()
            key_ids = {key_id for (key_id,) in connection.execute("SELECT DISTINCT key_id FROM decisions")}
    except sqlite3.Error as error:
        if is_damage(error) or "no such" in str(error):  # a column or a table: it was made by something else
            raise unreadable(path, error) from error
        raise DatabaseUnavailable(f"{path} can't be read: {first_line(error)}") from error
    return Found(count, named[0] if named else None, frozenset(key_ids))


def require_own(path: Path, found: Found, owner: Owner) -> None:
    """Raises SpoolRefused if completions in the file are not, or may not be, this ledger's."""
    if found.count == 0 or found.ledger_id == owner.ledger_id:
        return
    if found.ledger_id is not None:
        raise SpoolRefused(
            f"{path} holds {found.count} completions of another ledger ({found.ledger_id}; this one is "
            f"{owner.ledger_id}) and is left alone: start a gateway of its own ledger here, or move it to one"
        )
    if not owner.has_keys(found.key_ids):
        raise SpoolRefused(
            f"{path} holds {found.count} completions and, being of an older version, does not say of which ledger; "
            "this ledger does not have the API keys that they came with, so it is left alone: move it to where a "
            "gateway of its own ledger runs"
        )


class SpoolFile:
    """A claimed file that is open for writing. `refused`: ids of records in it that can't be read."""

    def __init__(self, path: Path, claim: sqlite3.Connection, ledger_id: str) -> None:
        self.path = path
        self.refused: set[str] = set()
        self._claim = claim
        # `full`: these answers are acknowledged, and must survive the loss of power as they would in the database.
        self._database = open_database(f"sqlite:///{path}", sqlite_synchronous="full")
        self._transactions = _plain_transactions(self._database)
        try:
            with self._database.write() as connection:
                connection.execute(delete(settings).where(settings.c.name == _OWNER))
                connection.execute(insert(settings).values(name=_OWNER, value=ledger_id, updated_at=0.0))
                self._kept: int = connection.execute(select(func.count()).select_from(decisions)).scalar_one()
        except DatabaseUnavailable:
            self._database.close()
            raise

    @classmethod
    def claim(cls, path: Path, owner: Owner, *, empty: bool) -> "SpoolFile | None":
        """Claim and open a file; None if a living process has it, or if it holds nothing and `empty` is false.

        Raises SpoolRefused if it is damaged or another ledger's, DatabaseUnavailable if it can't be opened now.
        """
        claim = _claim(path.with_suffix(".lock"))
        if claim is None:
            return None
        try:
            found = inspect_file(path) if path.exists() else Found()
            require_own(path, found, owner)
            if found.count or empty:
                file = cls(path, claim, owner.ledger_id)
                claim = None
                return file
        except (sqlite3.Error, DatabaseUnavailable) as error:
            if is_damage(error):
                raise unreadable(path, error) from error
            raise DatabaseUnavailable(f"{path} can't be opened: {first_line(error)}") from error
        finally:
            if claim is not None:
                claim.close()
        return None

    @property
    def count(self) -> int:
        """Completions that wait in the file, without those that can't be read."""
        return self._kept - len(self.refused)

    def append(self, records: Sequence[CompletionRecord]) -> None:
        """Write completions durably. Raises DatabaseUnavailable, RecordRefused."""
        self._kept += self._transactions.write(records, again=True).recorded

    def oldest(self, count: int, but: Collection[str]) -> list[CompletionRecord]:
        """Read up to `count` completions, the oldest first, and fewer if they are large. Raises DatabaseUnavailable."""
        size = func.coalesce(func.length(contents.c.request) + func.length(contents.c.answer), 0)
        left_out = {*but, *self.refused}
        sized = (
            select(decisions.c.completion_id, size)
            .join_from(decisions, contents, contents.c.completion_id == decisions.c.completion_id, isouter=True)
            .where(decisions.c.completion_id.notin_(list(left_out)))
            .order_by(decisions.c.completion_id)
            .limit(count)
        )
        with self._database.read() as connection:
            ids: list[str] = []
            room = MOST_BYTES
            for completion_id, size_bytes in connection.execute(sized):
                room -= size_bytes
                if ids and room < 0:
                    break
                ids.append(completion_id)
            found = connection.execute(_RECORDS.where(decisions.c.completion_id.in_(ids))).all()
            tried: dict[str, list[Attempt]] = defaultdict(list)
            for row in connection.execute(select(attempts).where(attempts.c.completion_id.in_(ids))):
                tried[row.completion_id].append(read_attempt(row))
            half_lives = {
                (key.router_id, key.signal): sums.half_life
                for key, sums in read_sums(connection.execute(select_sums(arms))).items()
            }
        missing = set(ids) - {row.completion_id for row in found}
        if missing:
            log.error("%s in %s lack their choice, and stay there", ", ".join(sorted(missing)), self.path)
            self.refused |= missing
        records = []
        for row in found:
            try:
                records.append(_record(row, tried[row.completion_id], half_lives))
            except Exception:  # whatever is wrong with it, it must not keep the others
                log.exception("%s in %s can't be read, and stays there", row.completion_id, self.path)
                self.refused.add(row.completion_id)
        return records

    def remove(self, ids: Sequence[str]) -> None:
        """Delete completions. Raises DatabaseUnavailable."""
        if not self._kept:
            return
        with self._database.write() as connection:
            connection.execute(delete(decisions).where(decisions.c.completion_id.in_(ids)))
            left: int = connection.execute(select(func.count()).select_from(decisions)).scalar_one()
            if left == 0:
                for table in _EMPTIED:
                    connection.execute(delete(table))
        self._kept = left
        if left == 0:
            self._transactions.close()
            self._transactions = _plain_transactions(self._database)  # whose cache has no choice that was deleted

    def close(self) -> None:
        """Close the file and release the claim."""
        self._transactions.close()
        self._database.close()
        self._claim.close()


def unreadable(path: Path, error: Exception) -> SpoolRefused:
    """The error of a file that can't be read, with the remedy."""
    cause = getattr(error, "orig", None) or error
    return SpoolRefused(
        f"{path} is damaged ({first_line(cause)}) and is left alone: `sqlite3 {path} .recover` may save what it "
        "holds; then move it away"
    )


def _require_file(path: Path) -> None:
    # Opening a pipe waits for its other end, with nobody to end that wait.
    if path.exists() and not path.is_file():
        raise SpoolRefused(f"{path} is no file, and is left alone: move it away")


def _claim(path: Path) -> sqlite3.Connection | None:
    """Lock a file that is empty otherwise; None if a living process holds it. Raises our errors."""
    create_privately(path)
    _require_file(path)
    for _ in range(2):
        claim: sqlite3.Connection | None = None
        try:
            claim = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            claim.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if claim is not None:
                claim.close()
            if "locked" in str(error):
                return None
            if not is_damage(error):
                raise DatabaseUnavailable(f"{path} can't be claimed: {first_line(error)}") from error
            # Nobody holds it, or it would be locked: so what is written in it, by whomever, can go.
            log.warning("the lock file %s holds something that is not ours, and is emptied", path)
            with contextlib.suppress(OSError):
                os.truncate(path, 0)
        else:
            return claim
    raise SpoolRefused(f"{path} is no lock file, and can't be emptied: move it away")


_RECORDS = (
    select(decisions, choices.c.choice, contents.c.request, contents.c.answer)
    .join_from(decisions, choices, decisions.c.choice_id == choices.c.id)
    .join(contents, contents.c.completion_id == decisions.c.completion_id, isouter=True)
    .order_by(decisions.c.completion_id)
)


def _record(row: Any, tried: list[Attempt], half_lives: Mapping[tuple[str, Signal], float]) -> CompletionRecord:
    def half_life(router_id: str, signal: Signal) -> float:
        return half_lives[router_id, signal]

    return CompletionRecord(
        decision=read_decision(row, read_choice_record(row.choice)),
        attempts=tuple(sorted(tried, key=lambda attempt: attempt.number)),
        outcome=read_outcome(row),
        deltas=dict(decode_deltas(row.learned, row.router_id, row.ended_at, half_life)),
        content=None if row.request is None else Content(row.request, row.answer),
    )


def _plain_transactions(database: Database) -> Transactions:
    def no_scores(before: Scores, after: Scores) -> Deltas:
        raise LedgerError("a spool takes no scores")

    def no_budget(router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
        return None

    return Transactions(database, no_scores, no_budget)
