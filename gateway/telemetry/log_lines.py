"""What a log line says, as fields in their order, and its two forms: JSON, or words for a terminal.

No line holds content, a secret or a caller's own words: requests by their ids and figures, failures by fixed words.
"""

import logging
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from bandit.quick import quick_dataclass
from gateway.telemetry.repetitions import Subject
from storage.records import DecisionRecord, OutcomeRecord

Fields: TypeAlias = dict[str, object]
Form: TypeAlias = Callable[[Fields], bytes]

LONGEST_MESSAGE = 2_000
LONGEST_TRACEBACK = 8_000
_WITHOUT_VALUES = ("gateway.flow", "gateway.completions", "gateway.judging", "gateway.serving.direct", "uvicorn")
"""Loggers of the request path: the text of an exception there may hold what the caller sent, and is left out."""
_LEVEL_WORDS = {level: logging.getLevelName(level).lower() for level in logging.getLevelNamesMapping().values()}
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


@quick_dataclass(frozen=True, slots=True)
class Ended:
    """A request that a model was chosen for has ended."""

    level: int
    decision: DecisionRecord
    outcome: OutcomeRecord
    http_status: int
    code: str | None
    fault: str
    trace_id: str | None

    @property
    def subject(self) -> Subject | None:
        """What it repeats; None for an answer, which is always told."""
        return None if self.code is None else ("request", self.decision.router_id, self.code)

    def fields(self) -> Fields:
        """What its line says."""
        decision, outcome = self.decision, self.outcome
        return {
            "at": _time(outcome.ended_at),
            "level": level_word(self.level),
            "event": outcome.status,
            "request_id": decision.completion_id,
            "router": decision.router_id,
            "key_id": decision.key_id,
            "model": outcome.model_id,
            "attempts": outcome.attempts,
            "status": self.http_status,
            "code": self.code,
            "fault": self.fault,
            "stream": decision.stream,
            "seconds": int(outcome.seconds * 1e4 + 0.5) / 1e4,  # `round` takes five times as long
            "own_seconds": int(outcome.overhead_seconds * 1e6 + 0.5) / 1e6,
            "cost_usd": int(outcome.cost_usd * 1e9 + 0.5) / 1e9,
            "prompt_tokens": outcome.prompt_tokens,
            "cached_tokens": outcome.cached_tokens,
            "completion_tokens": outcome.completion_tokens,
            "trace_id": self.trace_id,
        }


class Refused(NamedTuple):
    """A completion request was answered with an error before a model was chosen."""

    level: int
    at: float
    request_id: str
    router_id: str
    key_id: str | None
    http_status: int
    code: str
    fault: str
    seconds: float
    trace_id: str | None

    @property
    def subject(self) -> Subject:
        """What it repeats."""
        return ("refused", self.router_id, self.code)

    def fields(self) -> Fields:
        """What its line says."""
        return {
            "at": _time(self.at),
            "level": level_word(self.level),
            "event": "refused",
            "request_id": self.request_id,
            "router": self.router_id,
            "key_id": self.key_id,
            "status": self.http_status,
            "code": self.code,
            "fault": self.fault,
            "seconds": round(self.seconds, 4),
            "trace_id": self.trace_id,
        }


class Answered(NamedTuple):
    """A request to another route was answered. `route` is its template, "" for a path without one."""

    level: int
    at: float
    request_id: str
    method: str
    route: str
    http_status: int
    seconds: float

    @property
    def subject(self) -> Subject | None:
        """What it repeats; None for a success, which is always told."""
        return None if self.http_status < 400 else ("http", self.route, str(self.http_status))

    def fields(self) -> Fields:
        """What its line says."""
        return {
            "at": _time(self.at),
            "level": level_word(self.level),
            "event": "http",
            "request_id": self.request_id,
            "method": self.method,
            "route": self.route,
            "status": self.http_status,
            "seconds": round(self.seconds, 4),
        }


class Message(NamedTuple):
    """A message of the standard library's logging. `extra`: fields that it has beside its words."""

    level: int
    at: float
    logger: str
    template: str
    message: str
    about: str
    extra: Mapping[str, object]
    exception: str | None

    @property
    def subject(self) -> Subject:
        """What it repeats: words about one thing whatever else they name, or else the very same words."""
        return (*self.kind, self.about or self.message[:200])

    @property
    def kind(self) -> Subject:
        """Its place in the code."""
        return ("message", self.logger, self.template)

    def fields(self) -> Fields:
        """What its line says."""
        fields: Fields = {
            "at": _time(self.at),
            "level": level_word(self.level),
            "event": "message",
            "logger": self.logger,
            "message": self.message[:LONGEST_MESSAGE],
            **self.extra,
        }
        return fields if self.exception is None else {**fields, "exception": self.exception}


Line: TypeAlias = Ended | Refused | Answered | Message


def message_of(record: logging.LogRecord) -> Message:
    """A message from the standard library's record. Its `extra` may hold `about` and `fields`."""
    return Message(
        level=record.levelno,
        at=record.created,
        logger=record.name,
        template=str(record.msg),
        message=record.getMessage(),
        about=getattr(record, "about", ""),
        extra=getattr(record, "fields", {}),
        exception=_exception(record),
    )


def suppressed(subject: Subject, count: int, at: float) -> Fields:
    """The line that tells how many more there were of one subject."""
    told: Fields = {"at": _time(at), "level": "warning", "event": "suppressed"}
    return {**told, "count": count, "of": " ".join(filter(None, subject))}


def lost(count: int, at: float) -> Fields:
    """The line that tells how many lines were never written."""
    return {"at": _time(at), "level": "warning", "event": "lost", "count": count}


def as_json(fields: Fields) -> bytes:
    """One line of JSON."""
    return msgspec.json.encode(fields, enc_hook=str) + b"\n"


def as_words(fields: Fields) -> bytes:
    """One line for a terminal: time, level and event, then what is known; a traceback on lines of its own."""
    rest = {name: value for name, value in fields.items() if name not in {"at", "level", "event", "exception"}}
    said = " ".join(f"{name}={value}" for name, value in rest.items() if value not in {None, ""})
    line = f"{str(fields['at'])[11:23]} {fields['level']!s:8}{fields['event']} {said}".translate(_CONTROLS)
    frames = str(fields.get("exception", "")).splitlines()
    return "\n".join([line, *(f"    {frame.translate(_CONTROLS)}" for frame in frames), ""]).encode("utf-8", "replace")


def level_word(level: int) -> str:
    """A level's name in lower case."""
    return _LEVEL_WORDS.get(level) or logging.getLevelName(level).lower()


def _time(at: float) -> str:
    second = int(at)
    return f"{_second(second)}.{int((at - second) * 1_000):03}Z"


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    """All lines of a second begin alike."""
    return datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00")


def _exception(record: logging.LogRecord) -> str | None:
    if not record.exc_info or record.exc_info[1] is None:
        return None
    error = record.exc_info[1]
    if record.name.startswith(_WITHOUT_VALUES):
        text = "".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__
    else:
        text = "".join(traceback.format_exception(error))
    return text[-LONGEST_TRACEBACK:].strip()
