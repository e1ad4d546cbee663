"""Fields, values and lengths that models refused within the hour. They put a model last, and never exclude it.

A refused value counts for that value alone, a field only if the provider says that it doesn't know the field, and a
stated context only while the model has answered no longer prompt. In memory, per process.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from gateway.providers.upstream.provider import ProviderError, Verdict

HELD_SECONDS = 3_600.0
MOST_FIELDS = 64
MOST_VALUES = 256
"""Bounds per model, as callers choose names and values; the latest are kept."""
DIGEST_BYTES = 16

K = TypeVar("K")


@dataclass(frozen=True, slots=True, order=True)
class Doubt:
    """Reason to try a model after others; the heavier, the later."""

    weight: int
    why: str


ESTIMATED, STATED, VALUE, FIELD = 1, 2, 3, 4
"""Weights: over the declared context by estimate, over a stated one, a refused value, an unknown field."""


@dataclass(slots=True)
class _Held:
    fields: OrderedDict[str, float] = field(default_factory=OrderedDict)  # until when
    values: OrderedDict[tuple[str, bytes], float] = field(default_factory=OrderedDict)
    context: tuple[int, float] = (0, 0.0)


class Holds:
    """Recent refusals of all models. `now` is always the event loop's time."""

    def __init__(self) -> None:
        self._models: dict[str, _Held] = {}  # that have refused anything
        self._answered_tokens: dict[str, int] = {}  # the longest prompt that each model has answered

    @property
    def are_none(self) -> bool:
        """Whether no model has refused anything."""
        return not self._models

    def refused(self, model_id: str, error: ProviderError, fields: Mapping[str, msgspec.Raw], now: float) -> None:
        """Record what the model refused of a request's fields."""
        held, until = self._models.setdefault(model_id, _Held()), now + HELD_SECONDS
        name = error.param
        match error.verdict:
            case Verdict.TOO_LONG:
                if error.context_tokens is not None and error.context_tokens > self._answered_tokens.get(model_id, 0):
                    held.context = error.context_tokens, until
            case Verdict.UNKNOWN_FIELD if name is not None and name in fields:
                _remember(held.fields, name, until, MOST_FIELDS)
            case Verdict.REFUSED_VALUE if name is not None and name in fields:
                _remember(held.values, (name, _digest(fields[name])), until, MOST_VALUES)

    def answered(self, model_id: str, prompt_tokens: int) -> None:
        """Record the length of a prompt that the model answered: a shorter stated context is wrong."""
        if prompt_tokens > self._answered_tokens.get(model_id, 0):
            self._answered_tokens[model_id] = prompt_tokens
            held = self._models.get(model_id)
            if held is not None and held.context[0] <= prompt_tokens:
                held.context = (0, 0.0)

    def doubt(self, model_id: str, fields: Mapping[str, msgspec.Raw], tokens: int, now: float) -> Doubt | None:
        """The heaviest doubt whether the model takes a request with these fields and `tokens`; None without any."""
        held = self._models.get(model_id)
        if held is None:
            return None
        for name, until in held.fields.items():
            if now < until and name in fields:
                return Doubt(FIELD, f"did not know `{name}` within the hour")
        for name in {name for name, _ in held.values} & fields.keys():
            if now < held.values.get((name, _digest(fields[name])), now):
                return Doubt(VALUE, f"refused this `{name}` within the hour")
        limit, until = held.context
        if now < until and tokens > limit:
            return Doubt(STATED, f"stated a context of {limit} tokens, and about {tokens} are needed")
        return None

    def forget(self, model_id: str) -> None:
        """Forget all refusals of the model, and of its variants."""
        for held in (self._models, self._answered_tokens):
            for arm_id in [each for each in held if each == model_id or each.startswith(f"{model_id}@")]:
                del held[arm_id]


def _remember(kept: OrderedDict[K, float], key: K, until: float, most: int) -> None:
    kept[key] = until
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)


def _digest(raw: msgspec.Raw) -> bytes:
    return hashlib.blake2b(memoryview(raw), digest_size=DIGEST_BYTES).digest()
