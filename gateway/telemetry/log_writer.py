"""Writes log lines to stderr in a thread of its own: a pipe that nobody reads never delays a request."""

import logging
import os
import re
import select
import threading
import time
import weakref
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from gateway.telemetry.batches import BatchThread
from gateway.telemetry.log_lines import Fields, Form, Line, Message, level_word, lost, message_of, suppressed
from gateway.telemetry.repetitions import AT_ONCE, Repetitions, Subject

ATOMIC_BYTES = 4_096
"""Writes up to this size are not mixed with those of other workers that share a pipe: PIPE_BUF on Linux."""
REDACTED = b"[redacted]"
_OWN_PREFIX = b"sk-bg-"
_OWN_KEYS = re.compile(_OWN_PREFIX + rb"[A-Za-z0-9_-]{8,}")


class LogWriter:
    """Lines of one process, at or above a level. What repeats is told a few times and then as a number.

    What is hidden never appears. If lines come faster than they can be written, the newest are
    dropped and counted.
    """

    def __init__(self, fd: int, form: Form, level: int) -> None:
        self.level = level
        # A descriptor of its own: when the other is closed, the thread must not write into what gets its number next.
        self._fd = os.dup(fd)
        weakref.finalize(self, os.close, self._fd).atexit = False
        self._form = form
        self._secrets: tuple[bytes, ...] = ()
        self._repetitions = Repetitions()
        self._templates = Repetitions(at_once=10 * AT_ONCE)
        self._thread: BatchThread[Line] = BatchThread("log-writer", self._write_all)
        self._counting = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lost = 0  # not yet told

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many lines there were, by level and result: written, suppressed, lost. Thread-safe."""
        with self._counting:
            return dict(self._counts)

    def hide(self, secrets: Collection[str]) -> None:
        """Redact these from now on, too."""
        known = {*self._secrets, *(secret.encode() for secret in secrets)}
        self._secrets = tuple(sorted(known, key=len, reverse=True))

    def put(self, line: Line) -> None:
        """Have a line written. Returns at once, thread-safe."""
        subject = line.subject
        if subject is not None and self._is_repeated(line, subject):
            self._count(line.level, "suppressed")
        elif not self._thread.put(line):
            self._lose(line.level)

    def flush(self) -> None:
        """Return when everything is written, or after a few seconds."""
        self._thread.flush()

    def _is_repeated(self, line: Line, subject: Subject) -> bool:
        now = time.monotonic()
        if isinstance(line, Message) and not self._templates.allow(line.kind, now):
            return True
        return not self._repetitions.allow(subject, now)

    def _write_all(self, lines: Sequence[Line]) -> None:
        """Write lines, and what is to be told about others. Called by the thread."""
        now = time.monotonic()
        ended = (*self._repetitions.ended(now), *self._templates.ended(now))
        self._write([suppressed(subject, count, time.time()) for subject, count in ended])
        with self._counting:
            count, self._lost = self._lost, 0
        if count:
            self._write([lost(count, time.time())])
        pending: list[Line] = []
        size = 0
        encoded: list[bytes] = []
        for line in lines:
            told = self._told(line.fields())
            if size + len(told) > ATOMIC_BYTES and encoded:
                self._finish(pending, b"".join(encoded))
                pending, encoded, size = [], [], 0
            pending.append(line)
            encoded.append(told)
            size += len(told)
        self._finish(pending, b"".join(encoded))

    def _write(self, told: Sequence[Fields]) -> None:
        for fields in told:
            self._write_bytes(self._redacted(self._told(fields)))

    def _finish(self, lines: Sequence[Line], data: bytes) -> None:
        if self._write_bytes(self._redacted(data)):
            for level, count in Counter([line.level for line in lines]).items():
                self._count(level, "written", count)
        else:
            for line in lines:
                self._lose(line.level)

    def _told(self, fields: Fields) -> bytes:
        try:
            return self._form(fields)
        except Exception as error:  # a line must not end the thread
            return self._form({name: fields[name] for name in ("at", "level")} | {"event": type(error).__name__})

    def _redacted(self, told: bytes) -> bytes:
        """Lines without what is hidden: no secret goes over a line's end."""
        for secret in self._secrets:
            told = told.replace(secret, REDACTED)
        return _OWN_KEYS.sub(REDACTED, told) if _OWN_PREFIX in told else told

    def _write_bytes(self, data: bytes) -> bool:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # others have made it non-blocking
                select.select([], [self._fd], [], 1.0)
            except OSError:
                return False
        return True

    def _count(self, level: int, result: str, count: int = 1) -> None:
        with self._counting:
            self._counts[level_word(level), result] += count

    def _lose(self, level: int) -> None:
        self._count(level, "lost")
        with self._counting:
            self._lost += 1


class LogHandler(logging.Handler):
    """Hands the standard library's records to a writer."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__(writer.level)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record's words, and have them written."""
        try:
            self._writer.put(message_of(record))
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Return when everything is written, or after a few seconds."""
        self._writer.flush()
