"""Reads error bodies of providers, in any of the usual shapes: message, codes, field and wait."""

import email.utils
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from gateway.providers.upstream.json_repair import decode

MESSAGE_LIMIT = 500
FIELD_LIMIT = 80
"""Characters of an error's code, and of the field that it names."""
PART_LENGTH = 8
"""Characters of a secret that are left out of messages, as less tells nothing."""
READ_LIMIT = 4_000
"""Characters of a message that are looked at; a provider may quote the whole request."""
LONGEST_WAIT_SECONDS = 3_600.0
"""Bound on a stated wait."""

_SECRETS = re.compile(
    r"(?i)\b(bearer\s+)[^\s\"',;]+|((?:x-)?api[-_ ]?key[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]+"
    r"|(authorization[\"']?\s*[:=]\s*[\"']?)(?:(?:basic|bearer)\s+)?[^\s\"',;]+|(://)[^/\s@]+(?=@)"
    r"|\b(?:sk|gsk|pk|rk|xai|key)[-_][A-Za-z0-9_*-]{8,}|\bAIza[A-Za-z0-9_-]{10,}"
)
_WORD = re.compile(r"[^\s\"'`,;:=&?()<>\[\]{}]{8,}")
_JSON: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_SPAN = r"\d+(?:\.\d+)?\s*(?:ms|milliseconds?|s|secs?|seconds?|m|min|minutes?|h|hours?|d|days?)(?![a-z])"
_STATED_WAIT = re.compile(rf"(?i)\b(?:try again in|retry in|retry after)\s+((?:{_SPAN}\s*(?:and\s+)?)+)")
_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|mil|s|m|h|d)", re.IGNORECASE)  # the first letters tell the unit
_SECONDS = {"ms": 1e-3, "mil": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_STATUSES = (
    # (a part of an error's type or code, the status that it stands for), for errors inside a 200
    ("rate_limit", 429),
    ("toomanyrequests", 429),
    ("insufficient_quota", 429),
    ("resource_exhausted", 429),
    ("overloaded", 529),
    ("authentication", 401),
    ("billing", 402),
    ("permission", 403),
    ("not_found", 404),
    ("request_too_large", 413),
    ("timeout", 504),
    ("invalid_request", 400),
    ("badrequest", 400),
)
_INNER = ("error", "detail", "details", "innererror", "metadata", "message")
"""Keys that may hold an inner error; Mistral puts FastAPI's `detail` into its `message`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A provider's error. `codes` are its code, type and status words in lower case; `field` may be a path."""

    status: int
    message: str
    codes: frozenset[str] = frozenset()
    field: str | None = None
    code: str | None = None
    retry_after_seconds: float | None = None
    context_tokens: int | None = None


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """At most 500 characters of one line, without the secrets, their parts and whatever looks like one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
    if secrets:
        text = _WORD.sub(lambda match: "[redacted]" if _is_part(match[0], secrets) else match[0], text)
    text = _SECRETS.sub(lambda match: "".join(filter(None, match.groups())) + "[redacted]", text)
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def _is_part(word: str, secrets: Sequence[str]) -> bool:
    """Whether a word holds a secret, or is a part of one, perhaps percent-encoded."""
    plain = unquote(word)
    return len(plain) >= PART_LENGTH and any(secret and (plain in secret or secret in plain) for secret in secrets)


def read_refusal(
    status: int, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], wall_time: float
) -> Refusal:
    """The error in a response's body: OpenAI's shape, and those of the providers in tests' recorded table."""
    return _refusal(status, parsed(body), headers, _plain(headers, body), secrets, wall_time)


def read_error(error: object, secrets: Sequence[str]) -> Refusal:
    """The error in an event of a stream, or in an answer that began with status 200."""
    objects = list(_objects({"error": error}))
    return _refusal(_status_of(objects), {"error": error}, {}, "", secrets, 0.0)


def retry_after_seconds(headers: Mapping[str, str], wall_time: float) -> float | None:
    """When to try again: `retry-after-ms`, or `Retry-After` as seconds or as a date. None if not said."""
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if not value:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(value).timestamp() - wall_time
            except (ValueError, OverflowError):
                continue
        if seconds == seconds:  # noqa: PLR0124 - not NaN
            return _bounded(seconds)
    return None


def _refusal(
    status: int, told: object, headers: Mapping[str, str], plain: str, secrets: Sequence[str], wall_time: float
) -> Refusal:
    objects = list(_objects(told))
    said = _first(objects, "message", "msg", "detail", "error")
    message = (said if isinstance(said, str) else plain)[:READ_LIMIT]
    code = _first(objects, "code", "type")
    return Refusal(
        status=status,
        message=redact(message, secrets) or f"HTTP {status}",
        codes=frozenset(_codes(objects)),
        field=redact(field, secrets)[:FIELD_LIMIT] if (field := _field(objects)) is not None else None,
        code=redact(code, secrets)[:FIELD_LIMIT] if isinstance(code, str) else None,
        retry_after_seconds=_wait(headers, objects, message, wall_time),
        context_tokens=next((n for each in objects if type(n := each.get("n_ctx")) is int and n > 0), None),
    )


def parsed(body: bytes) -> object:
    """The value of JSON that may need a repair; None if it is no JSON."""
    try:
        return decode(_JSON, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _objects(told: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The objects that may describe an error, the innermost first."""
    if isinstance(told, list):
        for item in told[:8]:
            yield from _objects(item, depth + 1)
    elif isinstance(told, dict) and depth < 6:
        raw = told.get("raw")
        if isinstance(raw, str):  # OpenRouter quotes the provider behind it
            quoted = parsed(raw.encode())
            yield from _objects(quoted if isinstance(quoted, dict | list) else {"message": raw}, depth + 1)
        for key in _INNER:
            if isinstance(told.get(key), dict | list):
                yield from _objects(told[key], depth + 1)
        yield told


def _codes(objects: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for found in objects:
        for key in ("code", "type", "status", "reason", "error_code", "limit_source"):
            if isinstance(word := found.get(key), str):
                yield word.lower()


def _status_of(objects: Sequence[Mapping[str, Any]]) -> int:
    for found in objects:
        for key in ("code", "status_code", "status"):
            stated = found.get(key)
            if isinstance(stated, str) and stated.isdecimal() and len(stated) == 3:
                stated = int(stated)
            if isinstance(stated, int) and 400 <= stated <= 599:
                return stated
    codes = set(_codes(objects))
    return next((status for word, status in _STATUSES if any(word in code for code in codes)), 500)


def _first(objects: Sequence[Mapping[str, Any]], *keys: str) -> object:
    found = [value for item in objects for key in keys if isinstance(value := item.get(key), str | int) and value != ""]
    return next((value for value in found if isinstance(value, str)), found[0] if found else None)


def _field(objects: Sequence[Mapping[str, Any]]) -> str | None:
    """The path of the field that is meant, such as `tools[0].function` or `stream_options.include_usage`."""
    param = _first(objects, "param")
    if isinstance(param, str):
        return param
    for found in objects:
        place = found.get("loc")
        if isinstance(place, list):
            parts = [str(part) for part in place if isinstance(part, str | int) and part != "body"]
            if parts:
                return ".".join(parts)
    return None


def _wait(
    headers: Mapping[str, str], objects: Sequence[Mapping[str, Any]], message: str, wall_time: float
) -> float | None:
    """Seconds to wait, from wherever the provider states them."""
    stated = retry_after_seconds(headers, wall_time)
    if stated is not None:
        return stated
    for found in objects:
        if isinstance(delay := found.get("retryDelay"), str) and _UNIT.search(delay):  # google.rpc.RetryInfo
            return _bounded(_span(delay))
    if match := _STATED_WAIT.search(message):
        return _bounded(_span(match[1]))
    resets = [
        _reset(value, wall_time)
        for name, value in headers.items()
        if name.startswith("x-ratelimit-reset")
        and headers.get(name.replace("reset", "remaining", 1), "").strip() in {"0", "0.0"}
    ]
    return max((_bounded(seconds) for seconds in resets if seconds is not None), default=None)


def _reset(value: str, wall_time: float) -> float | None:
    """Seconds until a limit is whole again: a span such as `6m0s`, seconds, or an instant since the epoch."""
    try:
        number = float(value)
    except ValueError:
        return _span(value) if _UNIT.search(value) else None
    if number > 1e11:
        return number / 1_000 - wall_time
    return number - wall_time if number > 1e8 else number


def _span(text: str) -> float:
    """Seconds in `9m38.016s`, `250ms` or `41 seconds`."""
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in _UNIT.findall(text))


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def _plain(headers: Mapping[str, str], body: bytes) -> str:
    """A body that is no JSON but meant to be read; a web page is not."""
    if "html" in headers.get("content-type", "").lower() or body[:64].lstrip()[:1] == b"<":
        return ""
    return body[:READ_LIMIT].decode(errors="replace")
