"""The journal of a run: what was asked and answered, on disk, so that an interrupted run pays for nothing twice.

A file of JSON lines that is only appended to: `begin` before each call with the money reserved for it, `end` after it
with the answer, or without one if the call failed. A call is known by its model and its fields, so a prompt that was
changed is asked again and the others are not. A call that was begun and never ended may have been paid: it counts with
its whole reservation.
"""

import fcntl
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

LONGEST_TEXT = 200_000
"""Characters of an answer that are kept."""


class JournalError(Exception):
    """The journal can't be used; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was paid for. `calls` are the names and arguments of its tool calls."""

    text: str | None
    calls: tuple[tuple[str, str], ...] = ()
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float = 0.0
    seconds: float = 0.0


class _Line(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """One line. `usd` of a `begin` is what was reserved, that of an `end` what the call cost."""

    begin: str | None = None
    end: str | None = None
    usd: float = 0.0
    answer: Kept | None = None


_LINE = msgspec.json.Decoder(_Line)


class Journal:
    """An open journal, locked against other runs. Raises JournalError, and OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_file():
            raise JournalError(f"{path} is no file that answers can be kept in; name another one with --state")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise JournalError(f"{path} is used by another run; wait for its end, or give this one a --name") from None
        self._answers: dict[str, Kept] = {}
        self._open_usd: dict[str, float] = {}
        self.spent_usd = 0.0
        try:
            self._read()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.fstat(self._file).st_size == 0:  # nothing was asked
            self.path.unlink()
        os.close(self._file)

    @property
    def lost_usd(self) -> float:
        """The most that calls have cost which were begun and never ended."""
        return sum(self._open_usd.values())

    def answer(self, key: str) -> Kept | None:
        """The answer of a call that was made before."""
        return self._answers.get(key)

    def begin(self, key: str, reserved_usd: float) -> None:
        """Note a call before it is made."""
        self._append(_Line(begin=key, usd=reserved_usd))

    def end(self, key: str, cost_usd: float, answer: Kept | None) -> None:
        """Note the end of a call, with its answer if it has one."""
        self._append(_Line(end=key, usd=cost_usd, answer=answer))
        if answer is not None:
            self._answers[key] = answer

    def _append(self, line: _Line) -> None:
        data = msgspec.json.encode(line) + b"\n"
        if os.write(self._file, data) != len(data):
            raise JournalError(f"{self.path} can't be written: the disk is full")

    def _read(self) -> None:
        whole = 0  # bytes of complete lines
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    self._take(_LINE.decode(line))
                except (msgspec.DecodeError, msgspec.ValidationError):
                    if whole and not line.endswith(b"\n"):  # the last write of a run that was killed
                        os.ftruncate(self._file, whole)
                        return
                    raise JournalError(f"{self.path} is no journal of a run; name another file with --state") from None
                whole += len(line)

    def _take(self, line: _Line) -> None:
        if line.begin is not None:
            self.spent_usd += self._open_usd.pop(line.begin, 0.0)  # of a run that was killed, asked again since
            self._open_usd[line.begin] = line.usd
        if line.end is not None:
            self._open_usd.pop(line.end, None)
            self.spent_usd += line.usd
            if line.answer is not None:
                self._answers[line.end] = line.answer


def key_of(model_id: str, fields: Mapping[str, msgspec.Raw]) -> str:
    """What a call is known by: its model and its fields, in whatever order and spacing."""
    digest = hashlib.blake2b(model_id.encode(), digest_size=16)
    for name in sorted(fields):
        digest.update(b"\0" + name.encode() + b"\0" + msgspec.json.format(bytes(fields[name]), indent=-1))
    return digest.hexdigest()
