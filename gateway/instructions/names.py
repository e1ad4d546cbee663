"""Resolves names of models: a provider, a model, a family, or any part of a model's id."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

LONGEST_NAME = 5
"""Words of the longest name, as in `open router claude 3.5 sonnet`."""

_PARTS = re.compile(r"[^\W_]+(?:\.\d+)*")
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_FAMILIES = frozenset(
    (  # noqa: SIM905
        "openai anthropic google gemini mistral meta llama groq openrouter azure ollama vllm together deepseek qwen "
        "cohere gpt chatgpt claude sonnet haiku opus mixtral gemma phi grok xai bedrock perplexity fireworks nvidia "
        "moonshot kimi simulated"
    ).split()
)
"""Providers and families that are recognised as names even if a router has none of them."""

_ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"google": ("google", "gemini"), "gemini": ("gemini", "google"), "chatgpt": ("gpt",), "meta": ("meta", "llama")}
)


def looks_like_a_name(word: str) -> bool:
    """Whether a word looks like the name of a model or provider, whatever models exist."""
    if "/" in word or word in _FAMILIES or any(part in _FAMILIES for part in word.split("-")):
        return True
    mixed = any(map(str.isdigit, word)) and any(map(str.isalpha, word))
    return mixed and "-" in word


def resolve(words: Sequence[str], models: Sequence[str]) -> tuple[frozenset[str], frozenset[int]]:
    """The models that a run of words names, and the positions of these words.

    Longer runs are tried first: "claude haiku" means fewer models than its words one by one.
    """
    found: set[str] = set()
    used: set[int] = set()
    at = 0
    while at < len(words):
        for end in range(min(len(words), at + LONGEST_NAME), at, -1):
            meant = _meant(words[at:end], models)
            if meant:
                found |= meant
                used.update(range(at, end))
                at = end
                break
        else:
            at += 1
    return frozenset(found), frozenset(used)


def _meant(words: Sequence[str], models: Sequence[str]) -> set[str]:
    for alias in _ALIASES.get(" ".join(words), (" ".join(words),)):
        wanted = _NOT_ALPHANUMERIC.sub("", alias)
        meant = {model_id for model_id in models if wanted in _handles(model_id)}
        if meant:
            return meant
    return set()


@lru_cache(4_096)
def _handles(model_id: str) -> frozenset[str]:
    """The names that a model can be called by: every run of its id's parts, written as one word.

    `openai/gpt-4.1-mini` is openai, openaigpt, gpt, gpt41, gpt41mini, mini and so on, but neither 4 nor gpt4. What
    follows an `@`, as in `openai/gpt-5.5@low`, names nothing by itself: "a low price" is about no variant.
    """
    parts = [_NOT_ALPHANUMERIC.sub("", part) for part in _PARTS.findall(model_id.lower())]
    starts = len(_PARTS.findall(model_id.lower().rpartition("@")[0])) or len(parts)
    stretches = ("".join(parts[start:end]) for start in range(starts) for end in range(start + 1, len(parts) + 1))
    return frozenset(stretch for stretch in stretches if len(stretch) > 1 and not stretch.isdigit())
