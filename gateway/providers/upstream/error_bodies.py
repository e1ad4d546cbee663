"""What a provider says when it refuses: the message, codes and field of an error body, in any of the usual shapes."""

import email.utils
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

MESSAGE_LIMIT = 500
LONGEST_WAIT_SECONDS = 3_600.0
"""No `Retry-After` holds a model back for longer: afterwards one request asks again."""

_SECRETS = re.compile(
    r"(?i)\b(bearer\s+)[^\s\"',;]+|((?:x-)?api[-_ ]?key[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]+"
    r"|(authorization[\"']?\s*[:=]\s*[\"']?)(?:(?:basic|bearer)\s+)?[^\s\"',;]+|(://)[^/\s@]+(?=@)"
    r"|\b(?:sk|gsk|pk|rk|xai|key)[-_][A-Za-z0-9_*-]{8,}|\bAIza[A-Za-z0-9_-]{10,}"
)
_FIELD = re.compile(r"[A-Za-z_]\w*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A provider's error. `codes` are its code, type and status words in lower case; `field` may be a path."""

    status: int
    message: str
    codes: frozenset[str] = frozenset()
    field: str | None = None
    code: str | None = None
    retry_after_seconds: float | None = None


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """At most 500 characters of one line, without the secrets and without whatever looks like one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
    text = _SECRETS.sub(lambda match: "".join(filter(None, match.groups())) + "[redacted]", text)
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def read_refusal(
    status: int, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], wall_time: float
) -> Refusal:
    """The error in a response's body: OpenAI's shape, and those of Anthropic, Gemini, Mistral, FastAPI and Ollama."""
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parsed = None
    return _refusal(
        status,
        parsed,
        _plain(headers, body),
        secrets,
        retry_after_seconds(headers, wall_time),
    )


def read_error(error: object, secrets: Sequence[str]) -> Refusal:
    """The error in an event of a stream, or in an answer that began with status 200."""
    code = _first(_objects({"error": error}), "code")
    status = code if isinstance(code, int) and 400 <= code <= 599 else 500
    return _refusal(status, {"error": error}, "", secrets, None)


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
            return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)
    return None


def _refusal(status: int, parsed: object, plain: str, secrets: Sequence[str], wait: float | None) -> Refusal:
    objects = list(_objects(parsed))
    message = _first(objects, "message", "msg", "detail", "error")
    codes = {
        word.lower()
        for found in objects
        for key in ("code", "type", "status", "reason")
        if isinstance(word := found.get(key), str)
    }
    code = _first(objects, "code", "type")
    return Refusal(
        status=status,
        message=redact(message if isinstance(message, str) else plain, secrets) or f"HTTP {status}",
        codes=frozenset(codes),
        field=_field(objects),
        code=redact(code, secrets)[:80] if isinstance(code, str) else None,
        retry_after_seconds=wait,
    )


def _objects(parsed: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The objects that may describe an error, the innermost first."""
    if isinstance(parsed, list):
        for item in parsed[:8]:
            yield from _objects(item, depth + 1)
    elif isinstance(parsed, dict) and depth < 4:
        for key in ("error", "detail", "details"):
            if isinstance(parsed.get(key), dict | list):
                yield from _objects(parsed[key], depth + 1)
        yield parsed


def _first(objects: Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]], *keys: str) -> object:
    found = [value for item in objects for key in keys if isinstance(value := item.get(key), str | int) and value != ""]
    return next((value for value in found if isinstance(value, str)), found[0] if found else None)


def _field(objects: Sequence[Mapping[str, Any]]) -> str | None:
    param = _first(objects, "param")
    if isinstance(param, str):
        return param
    for found in objects:
        place = found.get("loc")
        if isinstance(place, list):
            names = [part for part in place if isinstance(part, str) and part != "body" and _FIELD.fullmatch(part)]
            if names:
                return names[0]
    return None


def _plain(headers: Mapping[str, str], body: bytes) -> str:
    """A body that is no JSON, where it is meant to be read; a web page is not."""
    if "html" in headers.get("content-type", "").lower() or body[:64].lstrip()[:1] == b"<":
        return ""
    return body[:4_000].decode(errors="replace")
