"""Adapts a request to its provider: drops fields without effect on the answer, and names the token limit as it wants.

Sources: the documentation of well-known providers (`KNOWN`), the configuration (`drop`), and refusals: a field that a
provider doesn't know is dropped for an hour. In memory, per process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec

from gateway.providers.upstream.field_names import OPTIONAL
from gateway.providers.upstream.provider import ProviderError, Verdict
from gateway.settings import ProviderSettings

LEARNED_SECONDS = 3_600.0
MOST_MODELS = 1_024
"""Bound on learned names of the token limit, per provider."""

_LIMITS: Mapping[str, str] = MappingProxyType(
    {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
)
"""Both names of the token limit, each with the other."""
_TRUE = msgspec.Raw(b"true")
_OURS = (msgspec.Raw(b'{"include_usage":true}'), msgspec.Raw(b'{"include_usage": true}'))


@dataclass(frozen=True, slots=True)
class Known:
    """What a well-known provider takes: found by its host or, for servers of one's own, by the name it is given.

    `limit`: its name of the token limit, if it has only one. `stored_metadata`: it takes `metadata` only beside
    `store: true`.
    """

    hosts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()
    limit: str | None = None
    stored_metadata: bool = False


_NOT_STORED = frozenset({"store", "metadata", "safety_identifier", "prompt_cache_key"})
KNOWN: tuple[Known, ...] = (
    Known(("api.openai.com",), limit="max_completion_tokens", stored_metadata=True),
    Known((".openai.azure.com", ".services.ai.azure.com"), stored_metadata=True),
    Known(
        ("api.mistral.ai",),
        left_out=frozenset({"store", "user", "safety_identifier", "prompt_cache_key", "stream_options"}),
        limit="max_tokens",
    ),
    Known(("generativelanguage.googleapis.com",), left_out=_NOT_STORED),
    Known(("api.groq.com",), left_out=_NOT_STORED),
    Known(("api.deepseek.com",), limit="max_tokens"),
    Known(("api.together.xyz", "api.together.ai"), limit="max_tokens"),
    Known(("ollama.com",), ("ollama",), limit="max_tokens"),
    Known((), ("lmstudio", "lm-studio"), limit="max_tokens"),
)
"""From the providers' documentation. Any other provider gets the caller's fields until it refuses one."""


class Dialect:
    """Fields that one provider takes. `now` is always the event loop's time."""

    def __init__(self, settings: ProviderSettings) -> None:
        known = known_of(settings)
        self._known = known
        self._left_out = known.left_out | settings.drop
        self._leaves_all = not self._left_out and known.limit is None and not known.stored_metadata
        self._refused: dict[str, float] = {}  # field → until when it is left out
        self._limits: dict[str, tuple[str, float]] = {}  # model → its name of the token limit, until when

    @property
    def takes_all(self) -> bool:
        """Whether the provider takes any field as the caller names it, as far as is known."""
        return self._leaves_all and not self._refused and not self._limits

    def fields(
        self, model: str, fields: Mapping[str, msgspec.Raw], without: frozenset[str], now: float
    ) -> Mapping[str, msgspec.Raw]:
        """The caller's fields as this provider takes them. `without`: fields that it has refused in this request."""
        left_out = self.left_out(without, now)
        if self._known.stored_metadata and fields.get("store") != _TRUE:
            left_out |= {"metadata"}
        limit = self._limit(model, without, now)
        if not left_out and limit is None:
            return fields
        adapted: dict[str, msgspec.Raw] = {}
        for name, raw in fields.items():
            spelled = limit if limit is not None and name in _LIMITS else name
            if spelled not in left_out and (spelled not in adapted or name == limit):
                adapted[spelled] = raw
        return adapted

    def left_out(self, without: frozenset[str], now: float) -> frozenset[str]:
        """Names of the fields that are dropped."""
        if not self._refused:
            return self._left_out | without
        return self._left_out | without | {name for name, until in self._refused.items() if now < until}

    def again(
        self, model: str, sent: Mapping[str, object], error: ProviderError, without: frozenset[str], now: float
    ) -> frozenset[str]:
        """The fields to drop for a retry of this request. Raises the error if a retry would not help."""
        mended = self.mended(model, sent, error, without, now)
        if mended == without:
            raise error
        return mended

    def mended(
        self,
        model: str,
        sent: Mapping[str, object],
        error: ProviderError,
        without: frozenset[str],
        now: float,
    ) -> frozenset[str]:
        """Learn from a refusal; the fields to drop (or to rename) in a retry. Unchanged `without`: no retry."""
        field = error.param
        unknown = error.verdict is Verdict.UNKNOWN_FIELD
        if field is None or field in without or not (unknown or error.verdict is Verdict.REFUSED_VALUE):
            return without
        if field in _LIMITS:
            if not unknown or _LIMITS[field] in without:
                return without
            if model in self._limits or len(self._limits) < MOST_MODELS:
                self._limits[model] = _LIMITS[field], now + LEARNED_SECONDS
        elif field not in OPTIONAL:
            return without
        elif unknown or sent.get(field) in _OURS:
            # A value that the caller chose may be refused for what it is: the next caller's is sent.
            self._refused[field] = now + LEARNED_SECONDS
        return without | {field}

    def _limit(self, model: str, without: frozenset[str], now: float) -> str | None:
        """The name of the token limit for this model; None: as the caller names it."""
        if not without and not self._limits:
            return self._known.limit
        for refused, other in _LIMITS.items():
            if refused in without:
                return other
        learned, until = self._limits.get(model, ("", now))
        return learned if now < until else self._known.limit


def known_of(settings: ProviderSettings) -> Known:
    """Entry of a provider in `KNOWN`, or an empty one."""
    try:
        host = urlsplit(settings.base_url).hostname or ""
    except ValueError:  # told by the first call, as that model's failure
        host = ""
    for known in KNOWN:
        if settings.name in known.names or any(
            host == each or (each.startswith(".") and host.endswith(each)) for each in known.hosts
        ):
            return known
    return Known()
