"""Reads the tokens and the cost that a provider reports of one answer, in the spellings and places that are known.

Providers of one wire format count differently: the cache is part of the prompt's tokens or beside them, and so is
reasoning of the completion's. The figures tell which, by their total or by their sizes.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

from bandit.price import Tokens
from bandit.types import Json
from gateway.providers.upstream.provider import Usage
from gateway.providers.upstream.usage_names import APART, CACHE, USAGE, Meaning

MOST_TOKENS = 10**9
"""A larger count is somebody's overflow."""
MOST_SEARCHES = 1_000
"""Of one answer."""
MOST_USD = 1_000.0
"""A larger cost of one answer is not believed, whoever states it."""
IN_ONE_COUNTRY = 1.1
"""What Anthropic asks for inference in the United States alone, times the price."""
_TICKS_PER_USD = 1e10  # xAI's unit

Object: TypeAlias = Mapping[str, Json]

_NULL = msgspec.Raw(b"null")
_ELSEWHERE = ("usageMetadata", "amazon-bedrock-invocationMetrics")
_OTHER_PLACES = frozenset({*_ELSEWHERE, "x_groq", "timings"})

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class _PromptDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cached_tokens: _Count = 0
    audio_tokens: Literal[0] = 0


class _CompletionDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reasoning_tokens: _Count = 0
    audio_tokens: Literal[0] = 0
    accepted_prediction_tokens: Literal[0] = 0
    rejected_prediction_tokens: Literal[0] = 0


class UsualUsage(msgspec.Struct, forbid_unknown_fields=True):
    """A usage in OpenAI's own spelling, without what is rarely billed. Anything else is left to `read_usage`."""

    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count
    prompt_tokens_details: _PromptDetails = _PromptDetails()
    completion_tokens_details: _CompletionDetails = _CompletionDetails()


_USUAL = msgspec.json.Decoder(UsualUsage)


class _Absurd(ValueError):
    """A figure that no call can have."""


def find_usage(fields: Mapping[str, msgspec.Raw], in_choice: msgspec.Raw | None = None) -> Usage | None:
    """The usage of an answer or a chunk: at the top, in its first choice (Moonshot) or in `x_groq`."""
    told_first = fields.get("usage", _NULL)
    if told_first != _NULL:
        tokens = _usual(told_first)
        if tokens is not None:
            tier = fields.get("service_tier")
            return Usage(tokens, tier=None if tier is None else _name(_decoded(tier)))
    elif (in_choice is None or in_choice == _NULL) and _OTHER_PLACES.isdisjoint(fields):
        return None
    told = [told_first, in_choice, *(fields.get(place) for place in _ELSEWHERE)]
    groq = _object(_decoded(fields.get("x_groq"))).get("usage")
    for usage in (*map(_decoded, told), groq):
        if usage is not None:
            return read_usage(usage, _name(_decoded(fields.get("service_tier"))))
    timings = _object(_decoded(fields.get("timings")))  # llama.cpp, if it was not asked for usage
    return read_usage(timings) if "predicted_n" in timings else None


def _usual(usage: msgspec.Raw) -> Tokens | None:
    """What `read_usage` reads of a usage in OpenAI's own spelling, in few steps; None for any other."""
    try:
        return usual_tokens(_USUAL.decode(usage))
    except msgspec.DecodeError:
        return None


def usual_tokens(told: UsualUsage) -> Tokens | None:
    """What `read_usage` reads of a usage in OpenAI's own spelling; None if its figures contradict each other."""
    prompt, completion, total = told.prompt_tokens, told.completion_tokens, told.total_tokens
    cached, reasoning = told.prompt_tokens_details.cached_tokens, told.completion_tokens_details.reasoning_tokens
    if total != prompt + completion or cached > prompt or reasoning > completion or not total:
        return None
    return Tokens(prompt, completion, cached, reasoning_tokens=reasoning)


def read_usage(usage: object, tier: str | None = None) -> Usage:
    """A usage object; `tier` is the service tier if the answer tells it beside."""
    if not isinstance(usage, Mapping):
        return Usage(None, doubt="the usage is not an object")
    tokens = cost_usd = None
    doubts = []
    try:
        tokens = _tokens(usage)
    except _Absurd as error:
        doubts.append(str(error))
    try:
        cost_usd = _stated_usd(usage)
    except _Absurd as error:
        doubts.append(str(error))
    fast = _name(usage.get("speed")) == "fast"  # Anthropic prices it like a tier
    return Usage(
        tokens=tokens,
        cost_usd=cost_usd,
        tier="fast" if fast else tier or _name(usage.get("service_tier")),
        factor=IN_ONE_COUNTRY if _name(usage.get("inference_geo")) == "us" else 1.0,
        doubt="; ".join(doubts),
    )


def _tokens(usage: Object) -> Tokens | None:
    counts: dict[str, int] = {}
    _gather(usage, USAGE, counts)
    count = counts.get
    written = max(count("written", 0), count("written_5m", 0) + count("written_1h", 0))
    prompt, completion = _settled(usage, counts, count("cached", 0) + written)
    if not prompt and not completion:
        return None
    # No part may exceed what it is a part of, whatever the provider says.
    cached = min(count("cached", 0), prompt)
    written = min(written, prompt - cached)
    audio = min(count("audio", 0), prompt - written)
    images = min(count("images", 0), prompt - written - audio)
    cached_audio = min(count("cached_audio", 0), audio, cached)
    spoken = min(count("spoken", 0), completion)
    reasoning = min(count("reasoning", 0), completion - spoken)
    drawn = min(count("drawn", 0), completion - spoken - reasoning)
    return Tokens(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(count("written_1h", 0), written),
        audio_input_tokens=audio,
        cached_audio_tokens=cached_audio,
        image_input_tokens=images,
        cached_image_tokens=min(count("cached_images", 0), images, cached - cached_audio),
        audio_output_tokens=spoken,
        image_output_tokens=drawn,
        reasoning_tokens=reasoning,
        citation_tokens=min(count("cited", 0), completion - spoken - reasoning - drawn),
        accepted_prediction_tokens=min(count("accepted", 0), completion),
        rejected_prediction_tokens=min(count("rejected", 0), completion),
        web_searches=min(count("searches", 0), MOST_SEARCHES),
    )


def _gather(within: Object, meaning: Meaning, counts: dict[str, int]) -> None:
    """Add the counts that are told under any known name: of several for the same thing the largest."""
    for name, value in within.items():
        meant = meaning.get(name)
        if meant is None or value is None:
            continue
        if isinstance(meant, str):
            count = _count(name, value)
            if count is not None:
                counts[meant] = max(counts.get(meant, 0), count)
        else:
            _gather(_by_name(value), meant, counts)


def _settled(usage: Object, counts: Mapping[str, int], cache: int) -> tuple[int, int]:
    """Prompt and completion tokens with all that is part of them; zeros if they are not told."""
    prompt, completion, total = counts.get("prompt"), counts.get("completion"), counts.get("total", 0)
    for name in ("prompt_tokens", "completion_tokens"):
        if usage.get(name, 0) is None:
            raise _Absurd(f"{name} is null")  # or was NaN
    if prompt is None or (completion is None and not total):
        return 0, 0
    completion = max(total - prompt, 0) if completion is None else completion
    reasoning, gap = counts.get("reasoning", 0), total - prompt - completion
    beside = cache > prompt or (cache > 0 and gap in {cache, cache + reasoning})
    apart = "prompt_tokens" not in usage and not APART.isdisjoint(usage) and not CACHE.keys().isdisjoint(usage)
    if beside or apart:
        prompt += cache
    unseen = reasoning if reasoning > completion else 0
    # Thoughts that only the total counts are output too (Gemini).
    return prompt, max(completion + unseen + counts.get("cited", 0), total - prompt)


def _stated_usd(usage: Object) -> float | None:
    """What the provider itself says the answer costs; None if it is told in another currency."""
    if (_name(usage.get("currency")) or "USD").upper() != "USD":
        return None
    cost = usage.get("cost")
    if isinstance(cost, Mapping):  # Perplexity: parts, and their sum
        parts = [_usd(name, value) or 0.0 for name, value in cost.items() if name.endswith("_cost")]
        whole = _usd("total_cost", cost.get("total_cost"))
        return sum(parts) if whole is None and parts else whole
    for name in ("cost_usd", "cost", "estimated_cost", "total_cost"):
        stated = _usd(name, usage.get(name))
        if stated is not None:
            return stated + _upstream_usd(usage, stated) if name == "cost" else stated
    return _usd("cost_in_usd_ticks", usage.get("cost_in_usd_ticks"), _TICKS_PER_USD)


def _upstream_usd(usage: Object, stated: float) -> float:
    """What the key's owner pays to the provider behind OpenRouter; 0 if the stated cost already holds it."""
    upstream = _usd("upstream_inference_cost", _object(usage.get("cost_details")).get("upstream_inference_cost"))
    own_key = usage.get("is_byok")
    if upstream is None or own_key is False or upstream == stated:
        return 0.0
    return upstream if own_key is True or upstream > stated else 0.0


def _usd(name: str, value: Json, unit: float = 1.0) -> float | None:
    number = _number(name, value)
    if number is None:
        return None
    if not 0.0 <= number / unit <= MOST_USD:
        raise _Absurd(f"{name} is {str(value)[:40]}")
    return number / unit


def _count(name: str, value: Json) -> int | None:
    """At least 0: a detail that is not counted is -1 at some providers. Raises _Absurd."""
    if type(value) is int and 0 <= value <= MOST_TOKENS:
        return value
    number = _number(name, value)
    if number is None:
        return None
    whole = USAGE.get(name) in {"prompt", "completion"}
    if not (0 if whole else -MOST_TOKENS) <= number <= MOST_TOKENS or number != int(number):
        raise _Absurd(f"{name} is {str(value)[:40]}")
    return max(int(number), 0)


def _number(name: str, value: Json) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise _Absurd(f"{name} is no number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Absurd(f"{name} is no number")
    return value


def _by_name(value: Json) -> Object:
    """An object within a usage; lists by modality (Gemini) or lifetime (Bedrock) as objects of that kind."""
    if isinstance(value, Mapping):
        return value
    named: dict[str, Json] = {}
    for entry in map(_object, value if isinstance(value, list) else ()):
        if "modality" in entry:
            named[f"{str(entry['modality']).lower()}_tokens"] = entry.get("tokenCount")
        elif "ttl" in entry:
            named[f"ephemeral_{entry['ttl']}_input_tokens"] = entry.get("inputTokens")
    return named


def _object(value: object) -> Object:
    return value if isinstance(value, Mapping) else {}


def _name(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _decoded(raw: msgspec.Raw | None) -> Json:
    """A value that has been decoded once already as a part of its answer."""
    try:
        value: Json = None if raw is None else msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):  # a number that no float holds
        return False
    return value
