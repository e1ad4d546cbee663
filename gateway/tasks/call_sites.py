"""Call sites: requests with the same system prompt, tools and answer's schema come from one place of an application.

A call site that recurs is a class of its own, like a task that is stated. It is known by a hash of the words of its
prompt that are the same in each request, the names of its tools, and the names in its schema, in any order. No text of
the prompt is kept, but for its first words, which name the class.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from bandit.quick import quick_dataclass
from gateway.tasks.fixed_words import READ_CHARS, fixed_words, opening_words
from storage.rows import clean

PREFIX = "site:"
"""Classes of call sites begin with it."""

NAME_LIMIT = 48
"""Characters of a call site's name, unless people rename it."""
MOST_NAMES = 1_000
"""Names of tools, or of a schema's properties, that are read."""

SHORTEST_PROMPT = 8
"""Characters of a prompt's words that tell of a call site."""

_ANY_JSON = ("json_object",)
_LEAD = ("you", "are")
_ARTICLES = frozenset({"a", "an", "the"})
_GENERAL_WORDS = """
a an the you you're are is be as am i i'm and or but of to for with in on by at your my me their this that
it's helpful friendly polite kind useful harmless honest concise brief accurate smart intelligent knowledgeable expert
professional general general-purpose purpose advanced powerful large very most capable good great always please
assistant assistants ai bot chatbot agent language model llm chatgpt gpt claude gemini llama mistral qwen deepseek
openai anthropic google meta trained developed created made help helps assist answer answers respond reply give
question questions user users user's users' who can will what any all knowledge cutoff date current
carefully clearly concisely briefly accurately helpfully politely truthfully possible best ability"""
_GENERAL = frozenset(_GENERAL_WORDS.split())
"""Words of prompts that say nothing of the task, such as "You are a helpful assistant."."""


@quick_dataclass(frozen=True, slots=True)
class CallSite:
    """Where a request comes from. `key` is the class of its statistics; the rest is what it was found by."""

    key: str
    prompt: str
    tool_names: tuple[str, ...]
    schema_names: tuple[str, ...]

    @property
    def name(self) -> str:
        """What people are shown: the first words without "You are a", else the names of the tools or of the schema."""
        words, start = opening_words(self.prompt) if self.prompt else (), 0
        if tuple(map(str.lower, words[:2])) == _LEAD:
            start = 3 if len(words) > 3 and words[2].lower() in _ARTICLES else 2
        if words[start:]:
            return _cut(" ".join(words[start : start + 8]))
        if self.tool_names:
            return _cut("tools: " + ", ".join(self.tool_names[:8]))
        return _cut("answers in JSON: " + ", ".join(self.schema_names[:8]))


class _Named(msgspec.Struct):
    name: str | None = None


class _Tool(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    function: _Named | None = None
    custom: _Named | None = None


class _Schema(msgspec.Struct):
    properties: dict[str, msgspec.Raw] | None = None
    defs: dict[str, msgspec.Raw] | None = msgspec.field(default=None, name="$defs")


class _Described(msgspec.Struct):
    name: str | None = None
    schema: _Schema | None = None


class _Format(msgspec.Struct):
    type: str | None = None
    json_schema: _Described | None = None


_TOOLS = msgspec.json.Decoder(list[_Tool] | None)
_FORMAT = msgspec.json.Decoder(_Format | None)


def call_site_of(
    system: str, tools: Iterable[msgspec.Raw] = (), response_format: msgspec.Raw | None = None
) -> CallSite | None:
    """The call site of a request by its system prompt, the fields that define tools, and `response_format`.

    None if nothing is left that would tell it from others: a prompt without content, and neither tools nor a schema.
    """
    prompt = system[:READ_CHARS]
    said = _said(prompt) if prompt else ""
    tool_names = _names([name for raw in tools for name in _tool_names(raw)])
    schema_names = () if response_format is None else _schema_names(response_format)
    shaped = tool_names or (schema_names and schema_names != _ANY_JSON)
    if not shaped and (len(said) < SHORTEST_PROMPT or _GENERAL.issuperset(said.split())):
        return None
    text = "\0".join([said, "\1".join(tool_names), "\1".join(schema_names)])
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
    return CallSite(PREFIX + digest.hexdigest(), prompt, tool_names, schema_names)


@lru_cache(maxsize=2_048)
def _said(prompt: str) -> str:
    """The words that are the same in each request: they take as long as the rest of a decision."""
    return " ".join(fixed_words(prompt)).casefold()


def is_call_site(task: str) -> bool:
    """Whether a class is that of a call site."""
    return task.startswith(PREFIX)


def _tool_names(raw: msgspec.Raw) -> list[str]:
    try:
        tools = _TOOLS.decode(raw) or []
    except msgspec.ValidationError:
        return []  # the provider refuses them
    return [
        (tool.function or tool.custom or _NAMELESS).name or tool.name or tool.type or "" for tool in tools[:MOST_NAMES]
    ]


_NAMELESS = _Named()
_NO_DIGITS = str.maketrans("", "", "0123456789")


def _schema_names(raw: msgspec.Raw) -> tuple[str, ...]:
    """The type of the answer, and the names of its schema, its properties and definitions; empty for text."""
    try:
        wanted = _FORMAT.decode(raw)
    except msgspec.ValidationError:
        return ()
    if wanted is None or wanted.type in {None, "text"}:
        return ()
    described = wanted.json_schema or _Described()
    schema = described.schema or _Schema()
    names = [*(schema.properties or {}), *(schema.defs or {})]
    return (described.name or wanted.type or "", *_names(names[:MOST_NAMES]))


def _names(names: Sequence[str]) -> tuple[str, ...]:
    """Names without digits, which ids and versions have; sorted, each once."""
    lines = "\n".join(names)
    if lines.isascii() and lines.count("\n") == len(names) - 1:  # all at once, in a fraction of the time
        return tuple(sorted(set(_without_digits(lines).split("\n"))))
    return tuple(sorted({_without_digits(name) for name in names}))


def _without_digits(text: str) -> str:
    if text.isascii():
        return text.translate(_NO_DIGITS)
    return "".join([each for each in text if not each.isdigit()])


def _cut(name: str) -> str:
    name = " ".join(clean(name).split())
    return name if len(name) <= NAME_LIMIT else name[:NAME_LIMIT].rpartition(" ")[0] + "…"
