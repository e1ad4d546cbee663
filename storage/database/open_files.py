"""The files that a path of SQLite names while it is in use: the database, and its write-ahead log.

SQLite finds the log by its name. If another database is moved to the path, whoever opens it next takes the former
one's log for its own, and copies it into the new file.
"""

import contextlib
import logging
import os

log = logging.getLogger(__name__)

FileNumber = tuple[int, int]
"""Device and inode."""


class OpenFiles:
    """Knows which files the path named when it was opened last. In any thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: tuple[FileNumber | None, dict[str, FileNumber | None]] = (None, {})

    def database(self) -> FileNumber | None:
        """Return what tells the database from another one at its path; None if there is none."""
        return _number(self._path)

    def note(self) -> None:
        """Note which files there are, after one was opened."""
        logs = {path: _number(path) for path in (f"{self._path}-wal", f"{self._path}-shm")}
        self._known = (_number(self._path), logs)

    def remove_former_log(self) -> None:
        """Remove the log of a database that another one was put in place of, unless another process has done so.

        Call it before the new one is opened, and while a connection holds the former log open: else another file may
        have got its inode. SQLite does not delete the new one's log when it closes a database that was moved away.
        """
        former, logs = self._known
        found = _number(self._path)
        if former is None or found is None or found == former:
            return
        for path, number in logs.items():
            if number is not None and _number(path) == number:
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    log.warning("%s belonged to a database that was replaced, and is removed", path)


def _number(path: str) -> FileNumber | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
