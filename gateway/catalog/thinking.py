"""How much a model thinks: the levels of each family of models at each provider, and what a request sends for them.

From the providers' documentation and the refusals that they answer with. A family that isn't listed has no levels;
`thinking` of a declared model names those that its server takes as `reasoning_effort`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bandit.types import Json
from gateway.catalog.names import canonical
from gateway.settings.variant_options import LEVELS

Fields: TypeAlias = Mapping[str, Json]
Levels: TypeAlias = Mapping[str, Fields]

NO_LEVELS: Levels = {}
MESSAGES_API = "messages"
"""In place of a vendor: every provider of the kind `anthropic`."""
OLLAMA = "ollama"
ANYWHERE = "*"
"""In place of a vendor: every provider, after its own rows."""
_BUDGETS = {"low": 1_024, "medium": 8_192, "high": 24_576}
"""Tokens to think with, for models that are told a number: those that Google's levels stand for."""


def efforts(*levels: str) -> Levels:
    """`reasoning_effort`, as OpenAI's API names it."""
    return {level: {"reasoning_effort": "none" if level == "off" else level} for level in levels}


def _switch(*levels: str, on: str = "enabled") -> Levels:
    """`thinking`, which is switched on or off, with an effort for the levels in between."""
    sent: dict[str, Fields] = {}
    for level in levels:
        switched: Fields = {"thinking": {"type": "disabled" if level == "off" else on}}
        sent[level] = switched if level in {"off", "on"} else {**switched, "reasoning_effort": level}
    return sent


def _openrouter(levels: Iterable[str]) -> Levels:
    sent: dict[str, Fields] = {}
    for level in levels:
        on: Fields = {"enabled": True} if level == "on" else {"effort": "none" if level == "off" else level}
        sent[level] = {"reasoning": dict(on)}
    return sent


_CLAUDE_EFFORTS = efforts("low", "medium", "high", "xhigh", "max")
_CLAUDE_OFF: Levels = {"off": {"thinking": {"type": "disabled"}}}
_QWEN_BUDGETS: Levels = {
    level: {"enable_thinking": True, "thinking_budget": tokens} for level, tokens in _BUDGETS.items()
}
_QWEN_SWITCH: Levels = {"off": {"enable_thinking": False}, "on": {"enable_thinking": True}}
_TEMPLATE_SWITCH: Levels = {
    "off": {"chat_template_kwargs": {"enable_thinking": False}},
    "on": {"chat_template_kwargs": {"enable_thinking": True}},
}


@dataclass(frozen=True, slots=True)
class Family:
    """The levels of a family of models at one provider. `name` is searched in a model's canonical name."""

    vendor: str
    name: str
    levels: Levels


FAMILIES: tuple[Family, ...] = (
    Family("openai", r"-chat(-latest)?$", NO_LEVELS),
    Family("openai", r"^gpt-5-pro", efforts("high")),
    Family("openai", r"^gpt-5(-mini|-nano|-codex)?$", efforts("minimal", "low", "medium", "high")),
    Family("openai", r"^gpt-5-1-codex-max", efforts("low", "medium", "high", "xhigh")),
    Family("openai", r"^gpt-5-1-codex", efforts("low", "medium", "high")),
    Family("openai", r"^gpt-5-1(-|$)", efforts("off", "low", "medium", "high")),
    Family("openai", r"^gpt-5-[2-5]-codex", efforts("low", "medium", "high", "xhigh")),
    Family("openai", r"^gpt-5-[2-5]-pro", efforts("medium", "high", "xhigh")),
    Family("openai", r"^gpt-5-[2-5](-|$)", efforts("off", "low", "medium", "high", "xhigh")),
    Family("openai", r"^gpt-(5-[6-9]|[6-9])(-|$)", efforts("off", "low", "medium", "high", "xhigh", "max")),
    Family("openai", r"^o(1|1-pro|3|3-mini|3-pro|4-mini)$", efforts("low", "medium", "high")),
    Family(MESSAGES_API, r"^claude-(3-7|(sonnet|haiku)-4-5)", {**_CLAUDE_OFF, **efforts("low", "medium", "high")}),
    Family(MESSAGES_API, r"^claude-(sonnet|opus)-4(-1)?$", {**_CLAUDE_OFF, **efforts("low", "medium", "high")}),
    Family(MESSAGES_API, r"^claude-opus-4-5", {**_CLAUDE_OFF, **efforts("low", "medium", "high")}),
    Family(MESSAGES_API, r"^claude-(sonnet|opus)-4-6", {**_CLAUDE_OFF, **efforts("low", "medium", "high", "max")}),
    Family(MESSAGES_API, r"^claude-opus-4-[78]", {**_CLAUDE_OFF, **_CLAUDE_EFFORTS}),
    Family(MESSAGES_API, r"^claude-((sonnet|opus)-5$|haiku-5)", {**_CLAUDE_OFF, **_CLAUDE_EFFORTS}),
    Family(MESSAGES_API, r"^claude-[a-z]+-[5-9]", _CLAUDE_EFFORTS),
    Family("google", r"image|tts|live|embedding|computer-use|omni|robotics", NO_LEVELS),
    Family("google", r"^gemini-2-5-pro", efforts("low", "medium", "high")),
    Family("google", r"^gemini-2-5-flash", efforts("off", "low", "medium", "high")),
    Family("google", r"^gemini-3-pro", efforts("low", "high")),
    Family("google", r"^gemini-3(-[1-6])?-flash", efforts("minimal", "low", "medium", "high")),
    Family("google", r"^gemini-(3-\d-|[4-9]|(flash|pro)-)", efforts("low", "medium", "high")),
    Family("deepseek", r"^deepseek-(v[4-9]|flash|pro)", _switch("off", "low", "high", "max")),
    Family("alibaba", r"instruct|coder|-mt-|ocr|asr|omni|^qwen2|livetranslate", NO_LEVELS),
    Family("alibaba", r"thinking|^qwq|^qvq", {level: {"thinking_budget": n} for level, n in _BUDGETS.items()}),
    Family("alibaba", r"^qwen(3|-plus|-flash|-turbo)", {**_QWEN_SWITCH, **_QWEN_BUDGETS}),
    Family("alibaba", r"^(glm|deepseek|kimi)", _QWEN_SWITCH),
    Family("zai", r"^glm-5-([3-9]|\d\d)", _switch("low", "high", "max")),
    Family("zai", r"^glm-5-2", _switch("off", "high", "max")),
    Family("zai", r"^glm-(4-[5-9]|5)", _switch("off", "on")),
    Family("moonshotai", r"^kimi-k[3-9]", efforts("low", "high", "max")),
    Family("moonshotai", r"^kimi-k2-[56]$", _switch("off", "on")),
    Family("minimax", r"^minimax-m[3-9]", _switch("off", "on", on="adaptive")),
    Family("xai", r"^grok-3-mini", efforts("low", "high")),
    Family("xai", r"multi-agent", efforts("low", "medium", "high", "xhigh")),
    Family("xai", r"^grok-4-[3-9]$", efforts("off", "low", "medium", "high")),
    Family("mistral", r"^mistral-(small-(latest|26)|medium-(latest|26|3-5))", efforts("off", "high")),
    Family("mistral", r"^mistral-large-4", efforts("low", "medium", "high")),
    Family("groq", r"^qwen", {"off": {"reasoning_effort": "none"}, "on": {"reasoning_effort": "default"}}),
    Family(OLLAMA, r"gpt-oss", efforts("low", "medium", "high")),
    Family(OLLAMA, r"^(qwen3|deepseek-(r1|v3)|glm|kimi|magistral)", efforts("off", "low", "medium", "high")),
    Family(ANYWHERE, r"gpt-oss", efforts("low", "medium", "high")),
    Family("", r"instruct|coder|thinking", NO_LEVELS),
    Family("", r"^(qwen3|glm-(4-[5-9]|5))", _TEMPLATE_SWITCH),
)
"""The first that fits counts. `vendor` is as `vendors.py` names it among the facts; "": a server of one's own."""
_SAME = {"azure": "openai", "google-vertex": "google", "ollama-cloud": OLLAMA}
_MAKERS = ("openai", MESSAGES_API, "google", "deepseek", "zai", "moonshotai", "minimax", "xai", "alibaba", ANYWHERE)


def levels_of(vendor: str, kind: str, name: str, *, reasons: bool | None) -> Levels:
    """The levels of a model: what each of them sends. `reasons`: whether it thinks, if that is known."""
    if reasons is False:
        return NO_LEVELS
    if vendor == "openrouter":  # it speaks to all of them in its own way
        return _openrouter(_found(_MAKERS, name) or (("low", "medium", "high") if reasons else ()))
    own = MESSAGES_API if kind == "anthropic" else _SAME.get(vendor, vendor)
    return _found((own, ANYWHERE), name)


def _found(vendors: tuple[str, ...], name: str) -> Levels:
    spelled = canonical(name)
    for vendor in vendors:
        for family in FAMILIES:
            if family.vendor == vendor and re.search(family.name, spelled):
                return family.levels
    return NO_LEVELS


def in_order(levels: Iterable[str]) -> list[str]:
    """Levels from the least to the most."""
    return sorted(levels, key=LEVELS.index)
