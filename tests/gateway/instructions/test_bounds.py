"""Whatever is written, reading it takes few steps, stays within bounds, and gives the same result each time."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.instructions import Instructions, interpret
from gateway.instructions.interpretation import FRAGMENT_CHARS, MOST_FRAGMENTS
from gateway.instructions.lexicon import CONDITIONS
from gateway.instructions.rules import read_rules
from tests.support.steps import count_calls

LIMIT_CHARS = 4_000
LIMIT_CALLS = 20_000
"""Of functions, for one text: the slowest here takes about 13,000, and a few milliseconds."""
MODELS = ("anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-5", "openai/gpt-4", "openai/gpt-4o", "x/swift-1")

vocabulary = [
    *sorted(CONDITIONS.words),
    "gpt-4",
    "openai",
    "claude",
    "banana",
    "rhymes",
    ",",
    ".",
    ";",
    "legal",
    "gpt-9",
]
prose = st.lists(st.sampled_from(vocabulary), max_size=60).map(" ".join)
texts = st.one_of(prose, st.text(max_size=400))
tasks = st.one_of(st.sampled_from(["chat", "code", "math", "analysis", "tool_use"]), st.text(max_size=64))


@given(texts, tasks, st.booleans(), st.booleans())
def test_any_text_stays_within_bounds_and_only_narrows(text: str, task: str, long: bool, tools: bool) -> None:
    found = interpret(text).apply(task, long, tools, MODELS)
    for multiplier in (found.steering.quality, found.steering.cost, found.steering.second):
        assert 0.1 <= multiplier <= 10.0
    assert (found.allowed or frozenset()) | found.forbidden <= set(MODELS)
    assert len(found.steering.not_understood) <= MOST_FRAGMENTS
    for piece in found.steering.not_understood:
        assert 0 < len(piece) <= FRAGMENT_CHARS + 20
        assert piece.isprintable()
    assert len(found.steering.words) <= 3 * FRAGMENT_CHARS


@given(texts, tasks)
def test_the_same_text_always_comes_to_the_same(text: str, task: str) -> None:
    again = Instructions(text, *read_rules(text))
    assert again == interpret(text)
    assert again.apply(task, False, False, MODELS) == interpret(text).apply(task, False, False, MODELS)


@example("use when", "chat")
@given(prose, tasks)
def test_nothing_is_dropped_silently(text: str, task: str) -> None:
    """A word that nobody knows is said, or the last that is said shows that it was cut."""
    found = interpret(f"Prefer cheap models and {text} zyxwv.").apply(task, False, False, MODELS)
    assert re.search(r"zyxwv|…$| more$", found.steering.not_understood[-1])


ATTACKS = {
    "letters": "a " * 2_000,
    "one word": "x" * 4_000,
    "dots": "a" + "." * 3_998 + ")",
    "commas": "," * 4_000,
    "newlines": "a\n" * 2_000,
    "ifs": "if " * 1_333,
    "nots": "not " * 1_000,
    "conditions without end": "for code and " * 300,
    "wishes without end": "cheap and " * 400,
    "short sentences": "prefer cheap. " * 285,
    "short conditions": "for x. " * 571,
    "rules": "use x only for code. " * 190,
    "otherwise": "use gpt for code. otherwise " * 142,
    "exceptions": "use a unless b for c. " * 181,
    "names": "use " + ",".join(f"n{n}-x" for n in range(600)),
    "hyphens": "low-" * 1_000,
    "slashes": "a/" * 2_000,
    "half phrases": "in all other " * 300,
    "look-ahead": "for code and the a an the " * 150,
    "emoji": "😀" * 4_000,
    "one script": "用" * 4_000,
    "lone surrogates": "\ud800 " * 2_000,
    "quotes": "'’" * 2_000,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_longest_text_takes_few_steps_and_a_text_twice_as_long_no_more_than_in_proportion(name: str) -> None:
    """What these steps take in seconds: `python -m benchmarks.decisions`."""

    def calls(characters: int) -> int:
        text = (ATTACKS[name] * 2)[:characters]
        return count_calls(lambda: Instructions(text, *read_rules(text)).apply("code", False, False, MODELS))

    half, whole = calls(LIMIT_CHARS // 2), calls(LIMIT_CHARS)
    assert whole < LIMIT_CALLS
    assert whole < 2.5 * half + 500


def test_what_comes_after_a_text_too_long_to_read_is_said() -> None:
    found = interpret("Prefer cheap models. " * 100 + "Never use gpt-4.").apply("chat", False, False, MODELS)
    assert found.steering.cost == 10.0
    assert found.forbidden == frozenset()
    assert len(found.steering.not_understood) == 1
