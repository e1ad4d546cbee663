"""The files that a path of SQLite names while it is in use: the database, and its write-ahead log.

SQLite finds the log by its name. If another database is moved to the path, whoever opens it next takes the former
one's log for its own, and copies it into the new file.
"""

import contextlib
import logging
import os
import threading

log = logging.getLogger(__name__)

FileNumber = tuple[int, int]
"""Device and inode."""


class OpenFiles:
    """Knows which files the path named when it was opened last. Thread-safe."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._log_path = f"{path}-wal"
        self._former: FileNumber | None = None
        self._log: int | None = None  # holds the log open, so that no other file can get its inode
        self._lock = threading.Lock()

    def database(self) -> FileNumber | None:
        """Return what tells the database from another one at its path; None if there is none."""
        return _number(self._path)

    def note(self) -> None:
        """Note which files there are, after one was opened."""
        with self._lock:
            self._forget()
            self._former = _number(self._path)
            with contextlib.suppress(OSError):
                self._log = os.open(self._log_path, os.O_RDONLY)

    def remove_former_log(self) -> None:
        """Remove the log of a database that another one was put in place of, unless another process has done so.

        Call it before the new one is opened. SQLite leaves the new one's log alone when it closes a database that was
        moved away.
        """
        with self._lock:
            found = _number(self._path)
            if self._former is None or found is None or found == self._former:
                return
            if self._log is not None and _number(self._log) == _number(self._log_path):
                for path in (self._log_path, f"{self._path}-shm"):
                    with contextlib.suppress(OSError):
                        os.unlink(path)
                log.warning("%s belonged to a database that was replaced, and is removed", self._log_path)
            self._forget()

    def forget(self) -> None:
        """Forget which files there are."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._log is not None:
            os.close(self._log)  # SQLite has no locks on it, which this would release
        self._former = self._log = None


def _number(path: str | int) -> FileNumber | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
