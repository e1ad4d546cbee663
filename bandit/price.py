"""What a call uses and what that costs: tokens by what is billed apart, and dollars per token of each."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from bandit.quick import quick_astuple, quick_dataclass


@quick_dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one call. All other counts of tokens are part of `prompt_tokens` or of `completion_tokens`.

    `cache_write_1h_tokens` are part of `cache_write_tokens`; cached audio and images are part of `cached_tokens` and
    of the audio or the images.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    audio_input_tokens: int = 0
    cached_audio_tokens: int = 0
    image_input_tokens: int = 0
    cached_image_tokens: int = 0
    audio_output_tokens: int = 0
    image_output_tokens: int = 0
    reasoning_tokens: int = 0
    citation_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0
    web_searches: int = 0

    def details(self) -> dict[str, int]:
        """The counts beside prompt, cached and completion tokens that are not zero, by name."""
        counts = quick_astuple(self)[3:]
        if counts == _NO_DETAILS:
            return {}
        return {name: count for name, count in zip(_DETAILS, counts, strict=True) if count}


_DETAILS = tuple(each.name for each in fields(Tokens))[3:]
_NO_DETAILS = (0,) * len(_DETAILS)


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per token. A rate of None is the rate of the tokens that these are part of.

    `longer` holds (tokens, price) in ascending order: the price of a call whose prompt has more tokens than that.
    `tiers` holds (name, price) of the service tiers that cost something else.
    """

    input_usd: float
    output_usd: float
    cached_input_usd: float
    cache_write_usd: float | None = None
    cache_write_1h_usd: float | None = None
    audio_input_usd: float | None = None
    cached_audio_usd: float | None = None
    image_input_usd: float | None = None
    cached_image_usd: float | None = None
    audio_output_usd: float | None = None
    image_output_usd: float | None = None
    reasoning_usd: float | None = None
    citation_usd: float | None = None
    web_search_usd: float = 0.0
    request_usd: float = 0.0
    longer: tuple[tuple[int, "Price"], ...] = ()
    tiers: tuple[tuple[str, "Price"], ...] = ()

    def at(self, prompt_tokens: float) -> "Price":
        """The price of a call with a prompt of that length."""
        found = self
        for tokens, price in self.longer:
            if prompt_tokens > tokens:
                found = price
        return found

    def served_as(self, tier: str | None) -> "Price":
        """The price of a service tier; this one if the tier is not known to cost something else."""
        for name, price in self.tiers:
            if name == tier:
                return price
        return self

    def with_rates(self, rates: Mapping[str, float | None]) -> "Price":
        """The same price with other rates, by their names."""
        changed: dict[str, Any] = dict(rates)
        return replace(self, **changed)

    def scaled(self, factor: float) -> "Price":
        """The same price with all rates multiplied, those of longer prompts too."""
        rates = {name: rate * factor for name in _RATES if (rate := getattr(self, name)) is not None}
        longer = tuple((tokens, price.scaled(factor)) for tokens, price in self.longer)
        return replace(self.with_rates(rates), longer=longer, tiers=())

    def cost_usd(self, prompt_tokens: float, completion_tokens: float, cached_tokens: float = 0.0) -> float:
        """Dollars for a call of plain text; `cached_tokens` are part of `prompt_tokens`."""
        price = self.at(prompt_tokens)
        fresh = max(prompt_tokens - cached_tokens, 0.0)
        read, said = cached_tokens * price.cached_input_usd, completion_tokens * price.output_usd
        return fresh * price.input_usd + read + said + price.request_usd

    def bill_usd(self, tokens: Tokens, tier: str | None = None) -> float:
        """Dollars for a call, each token at the rate of the smallest bucket it is in."""
        price = self if tier is None else self.served_as(tier)
        if price.longer:
            price = price.at(tokens.prompt_tokens)
        if tokens.details():
            return price._prompt_usd(tokens) + price._completion_usd(tokens)
        cached, said = tokens.cached_tokens, tokens.completion_tokens
        fresh = tokens.prompt_tokens - cached
        # Added up in this order, which is the other methods': the same dollars to the last bit.
        return (
            price.request_usd
            + (fresh if fresh > 0 else 0) * price.input_usd
            + (cached if cached > 0 else 0) * price.cached_input_usd
            + (said if said > 0 else 0) * price.output_usd
        )

    def _prompt_usd(self, tokens: Tokens) -> float:
        written = _or(self.cache_write_usd, self.input_usd)
        cached_media = tokens.cached_audio_tokens + tokens.cached_image_tokens
        audio = tokens.audio_input_tokens - tokens.cached_audio_tokens
        images = tokens.image_input_tokens - tokens.cached_image_tokens
        fresh = tokens.prompt_tokens - tokens.cached_tokens - tokens.cache_write_tokens - audio - images
        return (
            self.request_usd
            + max(fresh, 0) * self.input_usd
            + max(tokens.cached_tokens - cached_media, 0) * self.cached_input_usd
            + (tokens.cache_write_tokens - tokens.cache_write_1h_tokens) * written
            + tokens.cache_write_1h_tokens * _or(self.cache_write_1h_usd, written)
            + audio * _or(self.audio_input_usd, self.input_usd)
            + images * _or(self.image_input_usd, self.input_usd)
            + tokens.cached_audio_tokens * _or(self.cached_audio_usd, self.cached_input_usd)
            + tokens.cached_image_tokens * _or(self.cached_image_usd, self.cached_input_usd)
        )

    def _completion_usd(self, tokens: Tokens) -> float:
        media = tokens.audio_output_tokens + tokens.image_output_tokens
        text = tokens.completion_tokens - media - tokens.reasoning_tokens - tokens.citation_tokens
        return (
            max(text, 0) * self.output_usd
            + tokens.audio_output_tokens * _or(self.audio_output_usd, self.output_usd)
            + tokens.image_output_tokens * _or(self.image_output_usd, self.output_usd)
            + tokens.reasoning_tokens * _or(self.reasoning_usd, self.output_usd)
            + tokens.citation_tokens * _or(self.citation_usd, self.output_usd)
            + tokens.web_searches * self.web_search_usd
        )


TOKEN_RATES = tuple(each.name for each in fields(Price) if each.name.endswith("_usd"))[:-2]
"""The names of the rates per token."""
_RATES = (*TOKEN_RATES, "web_search_usd", "request_usd")


def _or(rate: float | None, otherwise: float) -> float:
    return otherwise if rate is None else rate
