"""Classifies requests by task, from their shape and words: deterministic, and bounded in time.

Quality statistics are kept per class, and the reason of an answer names it, so a class must mean something to people.
Only the ends of long texts are read: 20 MB take no longer than 20 kB.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from bandit.quick import quick_dataclass
from gateway.tasks.shapes import Shape, shape_of
from gateway.tasks.words import Evidence, word_evidence

TASK_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "code": "code",
        "math": "math",
        "multiple_choice": "multiple-choice",
        "cloze": "fill-in",
        "extraction": "extraction",
        "translation": "translation",
        "summarization": "summarization",
        "writing": "writing",
        "tool_use": "tool-use",
        "question_answering": "question-answering",
        "analysis": "analysis",
        "chat": "chat",
    }
)
"""Every class of the built-in classifier, and its name in reasons."""

LONG_PROMPT_TOKENS = 1_500
"""A request of this many estimated tokens or more (about two pages) is called long."""

BYTES_PER_TOKEN = 4.0
SAMPLE_CHARS = 2_000

HEAD_CHARS = 700
TAIL_CHARS = 700
ASK_CHARS = 300
"""Words are read from this many characters at either end, where people say what they want."""

_WHOLE_CHARS = HEAD_CHARS + TAIL_CHARS

SYSTEM_SHARE = 0.5
"""The weight of a word in the system prompt, relative to one of the user's."""

GAP_EVIDENCE = 3.0
"""From this many words of gaps and endings on, options are a cloze and not a multiple choice."""

MATERIAL_CHARS = 4_000
"""Longer prompts hold material, which more often is to be summarized."""

SMALL_TALK_CHARS = 80
"""In longer texts a greeting is only politeness."""

LEAST_EVIDENCE = 1.5
"""With less evidence a text has no evident class: it counts as chat if it is short, else as a question."""


@quick_dataclass(frozen=True, slots=True)
class Features:
    """A request's outward features. `text` is the last user turn's; lengths and counts are those of all messages.

    `schema_bytes` are those of tool definitions, tool calls and the answer's schema, in JSON without spaces.
    """

    system: str
    text: str
    prompt_chars: int
    tools: bool
    tool_turns: int
    wants_json: bool
    images: int
    turns: int
    messages: int = 1
    schema_bytes: int = 0
    audio_seconds: float = 0.0
    file_kilobytes: float = 0.0


def classify(features: Features) -> str:
    """The task of a request (one of `TASK_NAMES`), by its shape and by the words at the ends of its text."""
    if features.tools or features.tool_turns:
        return "tool_use"
    text, system = features.text, features.system
    if len(text) > _WHOLE_CHARS:
        text = text[:HEAD_CHARS] + "\n" + text[-TAIL_CHARS:]
    return _task(text, system and system[:ASK_CHARS], features.wants_json, features.prompt_chars > MATERIAL_CHARS)


def is_long(features: Features) -> bool:
    """Whether a request is called long."""
    return estimate_prompt_tokens(features) >= LONG_PROMPT_TOKENS


def estimate_prompt_tokens(features: Features) -> int:
    """Estimate the tokens of a prompt's text: one per four bytes of UTF-8, in any script."""
    sample, size = features.text[:SAMPLE_CHARS], float(features.prompt_chars)
    if not sample.isascii():
        size *= len(sample.encode("utf-8", "surrogatepass")) / len(sample)
    return round(size / BYTES_PER_TOKEN) or 1


@lru_cache(maxsize=1_024)
def _task(text: str, system: str, wants_json: bool, has_material: bool) -> str:
    """The task by all that tells it, kept for the last texts: evaluations, retries and samples of one prompt repeat it.

    `text` and `system` are cut to what is read.
    """
    shape = shape_of(text)
    evidence = word_evidence(text if len(text) <= 2 * ASK_CHARS else f"{text[:ASK_CHARS]} {text[-ASK_CHARS:]}")
    if shape.options and not shape.fenced:
        return "cloze" if evidence.get("cloze", 0.0) >= GAP_EVIDENCE or " _ " in text else "multiple_choice"
    if shape.gap:
        return "cloze"
    if system:
        for task, weight in _system_evidence(system).items():
            evidence[task] = evidence.get(task, 0.0) + SYSTEM_SHARE * weight
    _add_shape(evidence, shape, len(text), wants_json=wants_json)
    if has_material:
        evidence["summarization"] = evidence.get("summarization", 0.0) + 2.0
    if len(text) > SMALL_TALK_CHARS and "chat" in evidence:
        evidence["chat"] *= 0.4
    best = max(evidence.values())
    if best >= LEAST_EVIDENCE:
        for task in TASK_NAMES:
            if evidence.get(task) == best:
                return task
    small = len(text) < SMALL_TALK_CHARS / 2 and not shape.asks
    return "chat" if small or "chat" in evidence else "question_answering"


@lru_cache(maxsize=1_024)
def _system_evidence(text: str) -> Mapping[str, float]:
    """The evidence in a system prompt, which is the same in each request of an application."""
    return word_evidence(text)


def _add_shape(evidence: Evidence, shape: Shape, chars: int, *, wants_json: bool) -> None:
    evidence["code"] = evidence.get("code", 0.0) + shape.code
    evidence["math"] = evidence.get("math", 0.0) + shape.math
    if shape.asks:
        weight = 1.0 if chars < SMALL_TALK_CHARS / 2 else 1.5
        evidence["question_answering"] = evidence.get("question_answering", 0.0) + weight
    if wants_json or shape.table:
        evidence["extraction"] = evidence.get("extraction", 0.0) + (3.0 if wants_json else 2.5)
