"""Which words speak for which task, and how loudly."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

Evidence: TypeAlias = dict[str, float]

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
"""Every class of the built-in classifier, and how the reason calls it."""

_SPOKEN: Mapping[str, Mapping[float, str]] = {
    "code": {
        3.0: "python javascript typescript java rust golang kotlin swift sql regex html css bash dockerfile django "
        "react numpy pandas c++ c# php ruby scala stacktrace refactor debug compile codebase",
        2.0: "function code algorithm class method api script bug exception array string unit query program endpoint",
    },
    "math": {
        3.0: "solve equation integral derivative probability theorem polynomial prove calculate compute algebra",
        1.5: "sum percent total average triangle circle matrix divided",
    },
    "extraction": {3.0: "extract parse json csv xml fields entities classify label categorize", 1.5: "table list"},
    "translation": {5.0: "translate translation traduire übersetze traduce traduci переведи 翻译 翻訳"},
    "summarization": {5.0: "summarize summarise summary tldr résume zusammenfassen resumen recap condense"},
    "writing": {
        3.0: "poem story essay blog email letter rewrite rephrase paraphrase proofread slogan tweet headline lyrics",
        2.0: "write draft compose tone edit",
    },
    "question_answering": {1.0: "what who when where why which is are does did explain describe"},
    "analysis": {
        3.0: "analyze analyse compare evaluate strategy plan pros cons architecture roadmap assess tradeoffs recommend",
    },
    "chat": {2.0: "hello hi hey thanks thank hola bonjour hallo привет 你好"},
}

_WEIGHTS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        word: (task, weight)
        for task, by_weight in _SPOKEN.items()
        for weight, words in by_weight.items()
        for word in words.split()
    }
)
_WORD = re.compile(r"[^\W\d_]+[+#]*")


def weigh_words(head: str, tail: str, share: float) -> Evidence:
    """What the words of a text's two ends speak for; each word counts once."""
    evidence: Evidence = {}
    for word in set(_WORD.findall(f"{head}\n{tail}".lower())):
        spoken = _WEIGHTS.get(word)
        if spoken:
            evidence[spoken[0]] = evidence.get(spoken[0], 0.0) + spoken[1] * share
    return evidence
