"""The spool: local SQLite files that take completions, up to a limit, while the database is unavailable.

Each process claims a file of its own, `…spool-0.db`, `…spool-1.db`, …; a claim ends with its process, so that the next
process finds and replays what a dead one has left. Empty files stay, with their space on the disk reserved.

A file that is damaged, or holds another ledger's completions, is left alone and told of; the others are used.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from storage.database.engine import Database
from storage.database.sqlite import is_damage
from storage.errors import DatabaseUnavailable, SpoolFull, SpoolRefused
from storage.records import CompletionRecord
from storage.stores.identity import read_identity
from storage.stores.keys import Keys
from storage.writing.spool_file import Owner, SpoolFile, inspect_file, require_own, unreadable

log = logging.getLogger(__name__)

_MOST_FILES = 256
_MOST_FAILURES = 3
_T = TypeVar("_T")


class Spool:
    """Completions that could not be written yet, in one file, or in several after adopting those of dead processes.

    `stem` is the path that the files' names begin with, `owner` the ledger that they are for; `limit` bounds the
    completions.
    """

    def __init__(self, stem: Path, owner: Owner, limit: int = 100_000) -> None:
        self._stem = stem
        self._owner = owner
        self._limit = limit
        self._files: list[SpoolFile] = []
        self._own: SpoolFile | None = None
        self._failing = False
        self._refused: dict[Path, str] = {}

    @property
    def count(self) -> int:
        """Completions in the spool that can be read."""
        return sum(file.count for file in self._files)

    @property
    def full(self) -> bool:
        """Whether no more are accepted: the limit is reached, or the file can't be written."""
        return self._failing or self.count >= self._limit

    @property
    def problems(self) -> list[str]:
        """What an operator should see to: files that are left alone, and records that can't be read. In any thread."""
        files = [
            f"{file.path}: {len(file.refused)} of its completions can't be read, and stay there: see the log"
            for file in tuple(self._files)
            if file.refused
        ]
        return [*tuple(self._refused.values()), *files]

    def append(self, records: Sequence[CompletionRecord]) -> None:
        """Write completions durably. Raises SpoolFull if that fails.

        The limit is not checked here: requests are refused before a provider is paid, and those that run are recorded.
        """
        try:
            self._append(records)
        except (DatabaseUnavailable, SpoolFull) as error:
            self._failing = True
            raise SpoolFull(f"the local spool {self._stem} can't be written: {error}") from error
        self._failing = False

    def oldest(self, count: int, but: Collection[str] = ()) -> list[CompletionRecord]:
        """Read up to `count` completions, the oldest first, without those in `but`. Raises DatabaseUnavailable."""
        for file in tuple(self._files):
            found = self._using(file, partial(file.oldest, count, but)) if file.count else []
            if found:
                return found
        return []

    def remove(self, ids: Sequence[str]) -> None:
        """Delete completions that are in the database. Raises DatabaseUnavailable if a file can't be written."""
        for file in tuple(self._files):
            self._using(file, partial(file.remove, ids))

    def adopt(self) -> bool:
        """Take over the files of dead processes. One that can't be taken over does not keep the others.

        Returns whether this is done; if not, a file can't be opened now, and it is to be called again.
        """
        mine, done = {file.path for file in self._files}, True
        for path in _paths(self._stem):
            if path not in mine:
                try:
                    file = self._claimed(path, empty=False)
                except DatabaseUnavailable as error:
                    self._refuse(path, f"{path} can't be opened, and is tried again: {error}")
                    done = False
                    continue
                if file is not None:
                    self._files.append(file)
        return done

    def close(self) -> None:
        """Release the claims. Completions stay in the files."""
        for file in self._files:
            file.close()
        self._files.clear()
        self._own = None

    def _append(self, records: Sequence[CompletionRecord]) -> None:
        for _ in range(_MOST_FILES):
            own = self._own or self._claim_own()
            try:
                own.append(records)
            except DatabaseUnavailable as error:
                if not is_damage(error):
                    raise
                self._set_aside(own, error)
            else:
                return

    def _claim_own(self) -> SpoolFile:
        if self._files:
            self._own = self._files[0]
            return self._own
        failures = 0
        for number in range(_MOST_FILES):
            path = self._stem.with_name(f"{self._stem.name}spool-{number}.db")
            try:
                file = self._claimed(path, empty=True)
            except DatabaseUnavailable:
                failures += 1
                if failures == _MOST_FAILURES:  # it is not the file, but its folder or the disk
                    raise
                continue
            if file is not None:
                self._files.append(file)
                self._own = file
                return file
        raise SpoolFull(f"none of {_MOST_FILES} files can be used")

    def _claimed(self, path: Path, *, empty: bool) -> SpoolFile | None:
        """Claim a file; None if it is left alone, or a living process has it. Raises DatabaseUnavailable."""
        try:
            file = SpoolFile.claim(path, self._owner, empty=empty)
        except SpoolRefused as error:
            self._refuse(path, str(error))
            return None
        self._refused = {other: why for other, why in self._refused.items() if other != path}
        return file

    def _using(self, file: SpoolFile, use: Callable[[], _T]) -> "_T | None":
        try:
            return use()
        except DatabaseUnavailable as error:
            if not is_damage(error):
                raise
            self._set_aside(file, error)
            return None

    def _set_aside(self, file: SpoolFile, error: DatabaseUnavailable) -> None:
        self._files.remove(file)
        self._own = None if self._own is file else self._own
        file.close()
        self._refuse(file.path, str(unreadable(file.path, error)))

    def _refuse(self, path: Path, why: str) -> None:
        if self._refused.get(path) != why:
            log.error("%s", why)
        self._refused = {**self._refused, path: why}


def owner_of(database: Database) -> Owner:
    """The owner of the spools of a ledger's gateways. Raises DatabaseUnavailable."""
    return Owner(read_identity(database).ledger_id, Keys(database).has_all)


def refused_files(stem: Path, owner: Owner) -> Iterator[str]:
    """Why files of the spool would be left alone, without claiming them. Raises DatabaseUnavailable."""
    for path in _paths(stem):
        try:
            require_own(path, inspect_file(path), owner)
        except SpoolRefused as error:
            yield str(error)


def spool_stem(database_url: str) -> Path:
    """The spool's path without its suffix: beside an SQLite file, else in the working directory."""
    kind, _, path = database_url.partition(":///")
    beside = Path(path) if kind == "sqlite" else Path("bandit-gateway.db")
    return beside.with_name(f"{beside.stem}.")


def _paths(stem: Path) -> list[Path]:
    return sorted(stem.parent.glob(f"{stem.name}spool-*.db"))
