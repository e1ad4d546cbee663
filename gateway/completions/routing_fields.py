"""Reads what a caller tells the router: fields of `routing`, flat or nested, and headers."""

import math
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from bandit.quick import quick_dataclass
from gateway.errors import BadRequest, UnknownParameter
from storage.rows import clean

INSTRUCTIONS_LIMIT = 4_000
TASK_LIMIT = 64
LARGEST_MAX_USD = 1_000_000.0
EPISODE_LIMIT = 128
EPISODE_KEY = "episode_id"
"""The key of `metadata` that names an episode."""
NAMES = ("instructions", "max_usd", EPISODE_KEY)

FLAT = "routing."
"""What the names of our fields begin with, if they stand beside the caller's others."""

T = TypeVar("T", str, float)

HeaderOf = Callable[[bytes], bytes | None]
"""Looks up a request's header by its name in lower case."""

_HEADERS = (b"x-router-instructions", b"x-router-max-usd", b"x-router-task", b"x-router-episode")
_NO_HEADERS = [None] * len(_HEADERS)
_NULL = b"null"
_DECIMAL = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,3})?")  # float() takes "1_0" too


def no_header(name: bytes) -> bytes | None:
    """The headers of a request without any for the router."""
    return None


def has_routing(header: HeaderOf) -> bool:
    """Whether a request's headers tell the router anything."""
    return list(map(header, _HEADERS)) != _NO_HEADERS


@quick_dataclass(frozen=True, slots=True)
class RoutingFields:
    """`max_usd`: limit on this request's expected cost; `task` as a header states it; `episode_id` is the caller's."""

    instructions: str | None
    max_usd: float | None
    task: str | None
    episode_id: str | None


NO_FIELDS = RoutingFields(None, None, None, None)


def read_routing(
    nested: Mapping[str, msgspec.Raw],
    metadata: Mapping[str, msgspec.Raw],
    flat: Mapping[str, msgspec.Raw],
    header: HeaderOf,
) -> RoutingFields:
    """Read the fields; one in the body overrides its header.

    `nested` is the object `routing`, `flat` the fields that begin with `FLAT`, without that.

    Raises BadRequest, UnknownParameter.
    """
    if not (flat or nested or metadata or has_routing(header)):
        return NO_FIELDS
    for name in (*flat, *nested):
        if name not in NAMES:
            known = ", ".join(f"`routing.{each}`" for each in NAMES)
            raise UnknownParameter(f"`routing.{name}` is not a parameter; there are {known}", param=f"routing.{name}")
    instructions, param = _one("instructions", flat, nested, str), "routing.instructions"
    if instructions is None:
        instructions, param = _text(header, "x-router-instructions"), "x-router-instructions"
    if instructions is not None and len(instructions) > INSTRUCTIONS_LIMIT:
        raise BadRequest(
            f"`{param}` is {len(instructions):,} characters long; at most {INSTRUCTIONS_LIMIT:,} are read", param=param
        )
    max_usd, param = _one("max_usd", flat, nested, float), "routing.max_usd"
    if max_usd is None and (text := _text(header, "x-router-max-usd")) is not None:
        max_usd, param = _number(text), "x-router-max-usd"
    if max_usd is not None and not 0.0 < max_usd <= LARGEST_MAX_USD:
        raise BadRequest(f"`{param}` must be a number of dollars above 0, such as 0.01", param=param)
    task = _text(header, "x-router-task")
    episode_id = _episode(flat, nested, metadata, header)
    return RoutingFields(instructions, max_usd, (task or "").strip()[:TASK_LIMIT] or None, episode_id)


def read_episode(given: str, param: str) -> str:
    """The caller's id of an episode, as it is stored. Raises BadRequest."""
    if not 1 <= len(given) <= EPISODE_LIMIT:
        raise BadRequest(
            f"`{param}` must have 1 to {EPISODE_LIMIT} characters, not {len(given):,}",
            param=param,
        )
    return clean(given)


def _episode(
    flat: Mapping[str, msgspec.Raw],
    nested: Mapping[str, msgspec.Raw],
    metadata: Mapping[str, msgspec.Raw],
    header: HeaderOf,
) -> str | None:
    """`metadata.episode_id`, else `routing.episode_id`, else the header. Raises BadRequest."""
    raw = metadata.get(EPISODE_KEY)
    if raw is not None and bytes(raw) != _NULL:
        param = f"metadata.{EPISODE_KEY}"
        try:
            return read_episode(msgspec.json.decode(raw, type=str), param)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BadRequest(f"`{param}` must be a string", param=param) from None
    if (given := _one(EPISODE_KEY, flat, nested, str)) is not None:
        return read_episode(given, f"routing.{EPISODE_KEY}")
    given = _text(header, "x-router-episode")
    return None if given is None else read_episode(given, "x-router-episode")


def _one(name: str, flat: Mapping[str, msgspec.Raw], nested: Mapping[str, msgspec.Raw], kind: type[T]) -> T | None:
    """The value of one field, however it was written. Raises BadRequest if its type is wrong or it is given twice."""
    found: list[T] = []
    for raw in (flat.get(name), nested.get(name)):
        if raw is None or bytes(raw) == _NULL:
            continue
        try:
            found.append(msgspec.json.decode(raw, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError):
            right = "a string" if kind is str else "a number of dollars above 0, such as 0.01"
            raise BadRequest(f"`routing.{name}` must be {right}", param=f"routing.{name}") from None
    if len(found) == 2 and found[0] != found[1]:
        raise BadRequest(f"`routing.{name}` is given twice, and not alike", param=f"routing.{name}")
    return found[0] if found else None


def _text(header: HeaderOf, name: str) -> str | None:
    """A header as text, in UTF-8 as clients send it. Raises BadRequest."""
    value = header(name.encode())
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"the header `{name}` must be valid UTF-8", param=name) from None


def _number(text: str) -> float:
    """The number in a header; NaN if there is none, which is outside of any limits."""
    return float(text) if _DECIMAL.fullmatch(text) else math.nan
