"""What models of known families can do, by the provider's own name for them. A declaration overrides it."""

import re

_TEXT = frozenset({"tools", "json_schema"})
_SEES = _TEXT | {"vision"}
_READS = _SEES | {"files"}
_FAMILIES: tuple[tuple[str, frozenset[str]], ...] = (
    (r"gpt-oss", _TEXT),
    (r"gpt-audio|gpt-4o-(mini-)?audio", frozenset({"tools", "audio"})),
    (r"gpt-3\.5|gpt-4(-32k|-0613)?$|o1-mini|o1-preview", frozenset({"tools"})),
    (r"gpt-(4o|4\.1|[5-9])|chatgpt|\bo[134](-|$)", _READS),
    (r"claude-(2|v1|instant)", frozenset()),
    (r"claude", _READS),
    (r"gemini", _READS | {"audio"}),
    (r"gemma-?[34]", _SEES),
    (r"grok-(3|code)", _TEXT),
    (r"grok", _SEES),
    (r"voxtral", frozenset({"tools", "audio"})),
    (r"codestral|devstral|mixtral|open-mistral|mistral-(7b|nemo)", _TEXT),
    (r"mistral|pixtral|magistral", _SEES),
    (r"deepseek-(flash|v4\.1)", frozenset({"tools", "vision"})),
    (r"deepseek", frozenset({"tools"})),
    (r"llama-?4|llava|qwen[\d.]*-?(vl|omni)|glm-[\d.]+v|internvl|phi-4-multimodal", _SEES),
)
_MATCHERS = tuple((re.compile(pattern), abilities) for pattern, abilities in _FAMILIES)


def abilities_of(name: str) -> frozenset[str]:
    """Abilities of the first family that the name fits.

    An unknown model is taken to be a text model that speaks the API in full, as current local servers do; where that
    is wrong, its own refusal is learned for an hour.
    """
    lowered = name.lower()
    return next((abilities for matcher, abilities in _MATCHERS if matcher.search(lowered)), _TEXT)
