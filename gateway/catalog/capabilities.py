"""What a model can do: as the facts have it, else as its family does. A declaration overrides both."""

import re

from gateway.catalog.facts import Facts

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


def abilities_of(name: str, facts: Facts | None = None) -> frozenset[str]:
    """Abilities by the facts; what they leave open, and a model that they don't know, by the name's family.

    A model of no known family is taken to be a text model that speaks the API in full, as current local servers do.
    """
    lowered = name.lower()
    family = next((abilities for matcher, abilities in _MATCHERS if matcher.search(lowered)), _TEXT)
    if facts is None:
        return family
    structured = "json_schema" in family if facts.structured_output is None else facts.structured_output
    can = {
        "tools": facts.tools,
        "json_schema": structured,
        "vision": "image" in facts.inputs,
        "audio": "audio" in facts.inputs,
        "files": facts.files or "pdf" in facts.inputs,
    }
    return frozenset(ability for ability, able in can.items() if able)
