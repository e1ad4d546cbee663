"""What a request looks like from outside, and the class of task that it is: pure, fast, and bounded in time.

The class decides which quality statistics a model is judged by; it has to mean something to a person, and it is
said in the reason. Only the ends of long texts are read, so 20 MB take no longer than 20 kB.
"""

from dataclasses import dataclass

from bandit.task_shapes import Shape, see
from bandit.task_words import TASK_NAMES, Evidence, weigh_words

LONG_PROMPT_TOKENS = 1_500
"""A request of at least so many estimated tokens (about two pages) is called long."""

BYTES_PER_TOKEN = 4.0
SAMPLE_CHARS = 2_000

HEAD_CHARS = 1_600
TAIL_CHARS = 1_200
ASK_CHARS = 400
"""Words are read from so many characters at either end: that is where people say what they want."""

SYSTEM_SHARE = 0.5
"""What a word of the system prompt speaks for a task, next to one of the user's."""

LEAST_EVIDENCE = 1.5
"""Below this nothing is evident: it is chat."""


@dataclass(frozen=True, slots=True)
class Features:
    """A request's outward features. `text` is that of the last user turn; lengths are of all messages."""

    system: str
    text: str
    prompt_chars: int
    tools: bool
    tool_turns: int
    wants_json: bool
    images: int
    turns: int


@dataclass(frozen=True, slots=True)
class TaskClass:
    """The class of a request: one of `TASK_NAMES`, whether its input is long, and both in words for the reason."""

    task: str
    long: bool
    words: str


def classify(features: Features) -> TaskClass:
    """The class of a request, by its shape and by the words at the ends of its text."""
    text = features.text
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = text[:HEAD_CHARS] + "\n" + text[-TAIL_CHARS:]
    task = _task(features, text)
    long = estimate_prompt_tokens(features) >= LONG_PROMPT_TOKENS
    return TaskClass(task, long, f"{'Long' if long else 'Short'} {TASK_NAMES[task]} request")


def estimate_prompt_tokens(features: Features) -> int:
    """Tokens of the prompt by its length: a token is about four bytes of UTF-8, in any script."""
    sample = features.text[:SAMPLE_CHARS]
    per_char = 1.0 if sample.isascii() else len(sample.encode("utf-8", "surrogatepass")) / len(sample)
    return max(1, round(features.prompt_chars * per_char / BYTES_PER_TOKEN))


def _task(features: Features, text: str) -> str:
    if features.tools or features.tool_turns:
        return "tool_use"
    shape = see(text)
    if shape.options and not shape.fenced:
        return "cloze" if shape.gap else "multiple_choice"
    evidence = weigh_words(text[:ASK_CHARS], text[-ASK_CHARS:] if len(text) > ASK_CHARS else "", 1.0)
    if features.system:
        _add(evidence, weigh_words(features.system[:ASK_CHARS], "", SYSTEM_SHARE))
    _add(evidence, _of_shape(features, shape))
    task, best = max(evidence.items(), key=lambda item: item[1], default=("chat", 0.0))
    return task if best >= LEAST_EVIDENCE else "chat"


def _add(evidence: Evidence, more: Evidence) -> None:
    for task, weight in more.items():
        evidence[task] = evidence.get(task, 0.0) + weight


def _of_shape(features: Features, shape: Shape) -> Evidence:
    evidence = {
        "code": shape.code,
        "math": shape.math,
        "question_answering": 1.5 if shape.asks else 0.0,
        "extraction": 3.0 if features.wants_json else 1.5 * shape.table,
    }
    if features.prompt_chars > 4_000:
        evidence["summarization"] = 0.5
    return evidence
