"""The words of the grammar. Any other word is the name of a model or provider, or is not understood."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum, auto
from types import MappingProxyType

from gateway.instructions.facts import Fact


class Dimension(StrEnum):
    """The dimensions of an objective."""

    QUALITY = "quality"
    COST = "cost"
    SECOND = "second"


class Kind(IntEnum):
    """The role of a word in a sentence."""

    FILLER = auto()
    USE = auto()  # use, choose
    PREFER = auto()  # prefer, favour: the names that follow are preferred, not required
    ONLY = auto()
    AVOID = auto()  # never, avoid, without
    EXCEPT = auto()  # anything but: avoids what follows, whatever came before
    ADJECTIVE = auto()  # cheap, strongest
    NOUN = auto()  # cost, latency
    MORE = auto()
    LESS = auto()
    IMPORTANT = auto()
    UNIMPORTANT = auto()
    OVER = auto()  # quality over speed
    STRENGTH = auto()
    AND = auto()
    OR = auto()
    BUT = auto()
    COMMA = auto()
    THEN = auto()
    IF = auto()
    UNLESS = auto()
    OTHERWISE = auto()
    TOPIC = auto()
    WEAK_TOPIC = auto()  # counts only if there is no other topic
    SCALE = auto()
    TOOLS = auto()
    HARD = auto()
    ANY = auto()
    MONEY = auto()  # at most $0.01: `factor` holds the dollars
    THING = auto()  # requests, documents: nouns of conditions
    FACT = auto()  # in German, key "batch": read from patterns, and by rules of routers alone


@dataclass(frozen=True, slots=True)
class Entry:
    """A known word. `factor` above 1 asks for more of `dimension`; `tasks` are the classes of a topic."""

    kind: Kind
    dimension: Dimension | None = None
    factor: float = 1.0
    high_is_good: bool = True
    tasks: frozenset[str] = frozenset()
    flag: bool = True
    facts: frozenset[Fact] = frozenset()


PLAIN, SUPERLATIVE, SLIGHT, STRONG, EXTREME = 3.0, 8.0, 1.5, 6.0, 10.0
"""Factors of adjectives; words like slightly, strongly and only replace a plain one."""

_KINDS: Mapping[Kind, str] = {
    Kind.FILLER: """a an the this that these those my our your their its it i we you they he please always usually
        generally normally typically in general by default of to as at from such be is are was were am been being
        do does did will would should shall can could may might must model models llm llms provider providers one ones
        option options possible there here me us all kind kinds type types sort some something any which who
        as also too so very even used down really quite just mainly mostly instead with on in into about regarding
        concerning
        make sure ensure that's it's i'm whatever whichever available when it comes to think i'd like we'd
        routing router today now answer output result results response responses return given
        first second foremost and/or generation matter want need needs wants let let's""",
    Kind.USE: """use uses using choose pick select route send go run call take try give keep opt pin serve answer with
        switch stay employ consider""",
    Kind.PREFER: "prefer prefers preferring preferably favor favour favors favours like rather lean ideally",
    Kind.ONLY: "only exclusively solely restrict limit strictly stick",
    Kind.AVOID: """avoid avoids avoiding never don't dont not no without exclude excluding skip ban block refuse
        doesn't isn't aren't cannot can't won't shouldn't mustn't neither nor disallow forbid stop non""",
    Kind.EXCEPT: "except excepting excluding",
    Kind.MORE: "more higher high increase increased maximize maximise raise greater",
    Kind.LESS: """less lower low reduce reduced minimize minimise cut decrease lowering save saving fewer limited
        sacrifice sacrificing compromise compromising""",
    Kind.IMPORTANT: """matters important priority prioritize prioritise crucial essential key vital optimize optimise
        optimized optimised focus emphasize value favouring care matter relevant needed required concern wanted better
        good great improve improved improving boost excellent""",
    Kind.UNIMPORTANT: "irrelevant unimportant ignore secondary regardless irrespective disregard negligible",
    Kind.OVER: "over above before ahead than beats outweighs trumps",
    Kind.AND: "and & plus",
    Kind.OR: "or nor",
    Kind.BUT: "but yet however though although",
    Kind.COMMA: ", : ( ) — –",
    Kind.THEN: "then",
    Kind.IF: "for when whenever if where while during once",
    Kind.UNLESS: "unless",
    Kind.OTHERWISE: "otherwise else elsewhere",
    Kind.ANY: "everything anything always all every any each",
    Kind.THING: """request requests task tasks input inputs prompt prompts document documents text texts message
        messages context contexts case cases query queries work job jobs problem problems thing things content item
        items material files file article articles paper papers ask asks assignment assignments situations""",
    Kind.HARD: "complex complicated hard harder difficult demanding challenging tricky deep heavy sophisticated tough",
}

_PHRASES: Mapping[Kind, str] = {
    Kind.FILLER: """as well, at least, at most, under control, in order to, such as, e.g, i.e, for example,
        for instance,
        for me,
        for this request, for this, for us, for now, in this case, i want, we want, i need, we need, if possible,
        if you can, when possible, where possible, the request, this request, a model, it is, there is, involves,
        asks for, is about, are about, has to do with, deals with, requires, require, contains, contain, includes,
        include, involving, requiring, containing, needs to be, has, have, having""",
    Kind.USE: "go with, go for, opt for, stick with, fall back to, would like",
    Kind.ONLY: "nothing but, no other than, restrict to, limit to, stick to, limited to, restricted to, none but",
    Kind.AVOID: """do not, does not, is not, are not, should not, must not, may not, stay away from, steer clear of,
        never ever, no need for, don't need, do not need, doesn't need, keep away from, under no circumstances""",
    Kind.EXCEPT: """anything but, anything except, everything but, everything except, all but, all except, any but,
        any model but, any model except, other than, apart from, except for, except when, except if, except in,
        aside from, outside of, but not, not for, any provider but, any provider except""",
    Kind.UNIMPORTANT: """don't care about, do not care about, doesn't matter, does not matter, don't matter, not matter,
        not important, isn't important, is not important, less important, not a concern, no concern, not an issue,
        no object, no issue, not relevant, regardless of, irrespective of, no matter, whatever the, at any,
        is fine, are fine, is ok, is okay, are ok, is acceptable, are acceptable, is enough, not critical, no rush,
        don't mind, do not mind, doesn't have to, need not, don't worry about, not urgent, not worry about""",
    Kind.IMPORTANT: """care about, cares about, care for, focus on, top priority, most important, more important,
        matters most, matters more, optimize for, optimise for, optimized for, is critical, is key, is urgent,
        watch the, mind the, keep an eye on, aim for, be mindful of, conscious of, prioritize, is a priority""",
    Kind.OVER: "more than, more important than, rather than, instead of, ahead of, at the expense of",
    Kind.OTHERWISE: """in all other cases, in other cases, for everything else, for anything else, for all else,
        for the rest, for all other requests, for other requests, for all others, for others, in any other case,
        for all other tasks, for other tasks, everything else, anything else""",
    Kind.IF: "in case of, in case, in cases of, as long as, provided that, in the case of, if and only if",
    Kind.ANY: "all requests, every request, any request, all tasks, any task, every task, all cases, at all times",
    Kind.AND: "as well as, along with, together with, and also",
}

_ADJECTIVES: Mapping[tuple[Dimension, float], str] = {
    (Dimension.COST, PLAIN): """cheap, cheaper, inexpensive, affordable, economical, frugal, thrifty, cost effective,
        cost efficient, cost conscious, cost sensitive, small model, small models, smaller model, smaller models,
        lightweight, save money, saves money, saving money, costs less, cost less, less expensive, budget friendly""",
    (Dimension.COST, SUPERLATIVE): "cheapest, least expensive, most affordable, most economical, least costly",
    (Dimension.COST, 1 / PLAIN): "expensive, pricey, costly, premium, pricier",
    (Dimension.QUALITY, PLAIN): """strong, stronger, smart, smarter, capable, more capable, powerful, more powerful,
        intelligent, accurate, more accurate, precise, reliable, advanced, frontier, flagship, thorough, careful,
        better model, better models, larger model, larger models, bigger model, bigger models, large model,
        large models, big model, big models, stronger reasoning, high end, good model, good models, better answers""",
    (Dimension.QUALITY, SUPERLATIVE): """strongest, best, smartest, most capable, most powerful, most intelligent,
        most accurate, state of the art, top tier, top model, top models, most advanced, most reliable, finest""",
    (Dimension.QUALITY, 1 / PLAIN): "weak, weaker, weakest, dumb, mediocre, good enough, sloppy, basic",
    (Dimension.SECOND, PLAIN): """fast, faster, quick, quicker, quickly, speedy, snappy, responsive, instant,
        immediate, low latency, rapid, rapidly, prompt answers""",
    (Dimension.SECOND, SUPERLATIVE): "fastest, quickest, most responsive, asap, speediest",
    (Dimension.SECOND, 1 / PLAIN): "slow, slower, slowest, take your time, can wait, sluggish",
}

_NOUNS: Mapping[tuple[Dimension, bool], str] = {
    (Dimension.COST, False): "cost costs price prices pricing money spend spending expense expenses budget",
    (Dimension.QUALITY, True): """quality accuracy correctness precision intelligence capability reliability reasoning
        strength depth factuality truthfulness""",
    (Dimension.SECOND, True): "speed responsiveness",
    (Dimension.SECOND, False): "latency delay delays wait waiting response-time time",
}

_STRENGTHS: Mapping[float, str] = {
    SLIGHT: "slightly somewhat little bit marginally moderately",
    STRONG: "much strongly significantly considerably far heavily greatly definitely extremely substantially critical",
}
_EXTREMES: Mapping[Kind, str] = {
    Kind.LESS: "lowest minimal minimum least shortest",
    Kind.MORE: "highest maximum maximal most utmost",
}

CODE, MATH, TOOL_USE = frozenset({"code"}), frozenset({"math"}), frozenset({"tool_use"})
REASONING = frozenset({"analysis", "math", "code"})
INTERACTIVE = frozenset({"chat", "question_answering"})
CORRECTNESS = frozenset(
    {"code", "math", "analysis", "extraction", "multiple_choice", "cloze", "question_answering", "tool_use"}
)
"""Tasks whose answers are right or wrong: those of "when correctness matters"."""

_TOPICS: Mapping[frozenset[str], str] = {
    CODE: """code, coding, programming, program, programs, debugging, debug, bug, bugs, refactoring, sql, script,
        scripts, scripting, software, developer, developers, engineering, code review, code reviews, code generation,
        unit tests, python, javascript, writing code, regex, pull requests, software engineering, stack traces""",
    MATH: """math, maths, mathematics, mathematical, calculation, calculations, arithmetic, equations, proofs, algebra,
        numeric, numerical, word problems, sums""",
    frozenset({"summarization"}): """summarization, summarisation, summarizing, summarising, summary, summaries,
        summarize, summarise, tldr, recaps, condensing, summarization tasks""",
    frozenset({"translation"}): "translation, translations, translating, translate, localization, localisation",
    frozenset({"writing"}): """writing, drafting, rewriting, copywriting, creative, emails, email, stories, story,
        poems, poetry, essays, blog posts, marketing copy, proofreading, editing, fiction, creative writing, letters,
        rewrites, paraphrasing, brainstorming names""",
    frozenset({"extraction"}): """extraction, extracting, extract, classification, classifying, classify, labeling,
        labelling, tagging, structured, structured output, structured data, json, json output, parsing, tables,
        data extraction, entity extraction, sentiment, sentiment analysis""",
    TOOL_USE: "agents, agent, agentic, function calling, function calls, tool use, agentic workflows",
    frozenset({"question_answering"}): """question answering, q&a, qa, faq, faqs, factual, trivia, lookups, lookup,
        factual questions, knowledge, simple questions""",
    frozenset({"analysis"}): """analysis, analyses, analyzing, analysing, planning, plans, strategy, research,
        comparisons, decisions, brainstorming, evaluation, logic, puzzles, data analysis""",
    frozenset({"analysis", "code"}): "architecture, system design, software design, software architecture, design",
    frozenset({"multiple_choice", "cloze"}): "multiple choice, quiz, quizzes, exam, exams, multiple-choice questions",
    REASONING: "reasoning, thinking, deep reasoning, deep thinking, problem solving, logical reasoning, step by step",
    frozenset({"chat"}): "chat, chats, chatting, conversation, conversations, conversational, small talk, smalltalk, "
    "greetings, casual, chit-chat, chit chat, banter",
    INTERACTIVE: "interactive, user-facing, user facing, customer-facing, customer facing, live, realtime, real-time, "
    "real time, interactive use, end users, chatbot, voice, support",
}
_WEAK_TOPICS: Mapping[frozenset[str], str] = {
    frozenset({"question_answering"}): "question questions",
    INTERACTIVE: "reply replies users user answers",
}

_SCALES: Mapping[bool, str] = {
    False: "short, brief, small, simple, easy, trivial, quick, tiny, straightforward, short-form, basic",
    True: "long, lengthy, large, big, huge, long-form, long context, extensive, longer",
}
_TOOLS = "tool, tools, tool calls, tool calling, tool-calling, tool call"


def _words(text: str, separator: str | None = None) -> Iterable[str]:
    return (" ".join(part.split()) for part in text.split(separator))


def _effect_entries() -> dict[str, Entry]:
    """The meaning of words in the part of a sentence that says what is wanted."""
    found: dict[str, Entry] = {}
    for (dimension, high_is_good), nouns in _NOUNS.items():
        found |= {word: Entry(Kind.NOUN, dimension, PLAIN, high_is_good) for word in _words(nouns)}
    found |= {
        phrase: Entry(Kind.NOUN, Dimension.SECOND, PLAIN, False) for phrase in ("response time", "response times")
    }
    for factor, strengths in _STRENGTHS.items():
        found |= {word: Entry(Kind.STRENGTH, factor=factor) for word in _words(strengths)}
    for kind, words in _EXTREMES.items():
        found |= {word: Entry(kind, factor=SUPERLATIVE) for word in _words(words)}
    found |= {
        phrase: Entry(Kind.STRENGTH, factor=EXTREME)
        for phrase in ("as possible", "at all costs", "above all", "at any cost", "absolutely")
    }
    for (dimension, factor), adjectives in _ADJECTIVES.items():
        found |= {word: Entry(Kind.ADJECTIVE, dimension, factor) for word in _words(adjectives, ",")}
    return found


def _condition_entries() -> dict[str, Entry]:
    """The meaning of words in the part of a sentence that says when."""
    found: dict[str, Entry] = {}
    for tasks, topics in _WEAK_TOPICS.items():
        found |= {word: Entry(Kind.WEAK_TOPIC, tasks=tasks) for word in _words(topics)}
    for long, scales in _SCALES.items():
        found |= {word: Entry(Kind.SCALE, flag=long) for word in _words(scales, ",")}
    for tasks, topics in _TOPICS.items():
        found |= {word: Entry(Kind.TOPIC, tasks=tasks) for word in _words(topics, ",")}
    found |= {word: Entry(Kind.TOOLS) for word in _words(_TOOLS, ",")}
    return found


def _shared_entries() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for kind, words in _KINDS.items():
        found |= {word: Entry(kind) for word in _words(words)}
    for kind, phrases in _PHRASES.items():
        found |= {phrase: Entry(kind) for phrase in _words(phrases, ",")}
    return found


_EFFECTS: Mapping[str, Entry] = MappingProxyType(_shared_entries() | _effect_entries())
_CONDITIONS: Mapping[str, Entry] = MappingProxyType({**_EFFECTS, **_condition_entries()})


Phrases = Mapping[str, tuple[tuple[list[str], Entry], ...]]


def _by_first_word(entries: Mapping[str, Entry]) -> Phrases:
    """Phrases of several words by their first word: the other words, longest phrase first."""
    found: dict[str, list[tuple[list[str], Entry]]] = {}
    for phrase, entry in entries.items():
        first, *rest = phrase.split()
        if rest:
            found.setdefault(first, []).append((rest, entry))
    return MappingProxyType({first: tuple(sorted(all_, key=_longest_first)) for first, all_ in found.items()})


def _longest_first(phrase: tuple[list[str], Entry]) -> int:
    return -len(phrase[0])


@dataclass(frozen=True, slots=True)
class Table:
    """The meanings of words in one part of a sentence."""

    words: Mapping[str, Entry]
    phrases: Phrases

    def match(self, words: list[str], at: int) -> tuple[Entry | None, int]:
        """The longest known phrase that begins at a word, and its number of words; an unknown word counts as one."""
        first = words[at]
        for rest, entry in self.phrases.get(first, ()):
            if words[at + 1 : at + 1 + len(rest)] == rest:
                return entry, 1 + len(rest)
        return self.words.get(first), 1


EFFECTS = Table(_EFFECTS, _by_first_word(_EFFECTS))
"""For the part of a sentence that says what is wanted."""
CONDITIONS = Table(_CONDITIONS, _by_first_word(_CONDITIONS))
"""For the part that says when; the words of wishes are known there too."""
TASKS: frozenset[str] = frozenset().union(*(entry.tasks for entry in _CONDITIONS.values()))
"""The task classes that a condition can name: all of the built-in classifier's."""
