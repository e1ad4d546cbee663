"""The built-in task classifier: pure, bounded, and as right as it was measured to be."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tasks import shapes, words
from gateway.tasks.classifier import (
    HEAD_CHARS,
    LONG_PROMPT_TOKENS,
    TAIL_CHARS,
    TASK_NAMES,
    Features,
    classify,
    estimate_prompt_tokens,
    is_long,
)
from gateway.tasks.shapes import Shape
from gateway.tasks.words import Evidence
from tests.support.labelled_requests import ARTICLE, labelled_requests, request
from tests.support.steps import count_calls

ROOT = Path(__file__).parents[3]

requests = st.builds(
    Features,
    system=st.text(max_size=300),
    text=st.text(max_size=3_000),
    prompt_chars=st.integers(0, 30_000_000),
    tools=st.booleans(),
    tool_turns=st.integers(0, 5),
    wants_json=st.booleans(),
    images=st.integers(0, 3),
    turns=st.integers(0, 9),
)


@given(requests)
def test_any_request_gets_one_of_the_documented_classes(features: Features) -> None:
    found = classify(features)
    assert found in TASK_NAMES
    assert classify(features) == found


@given(requests)
def test_a_prompt_has_at_least_one_token_and_at_most_one_per_byte(features: Features) -> None:
    assert 1 <= estimate_prompt_tokens(features) <= max(1, 4 * features.prompt_chars)


@pytest.mark.parametrize(("name", "least", "least_of_each"), [("known", 0.95, 0.85), ("unseen", 0.70, 0.30)])
def test_labelled_requests_are_recognised(name: str, least: float, least_of_each: float) -> None:
    """What was measured (0.98 and 0.73), less a margin. No word was ever chosen to suit the unseen ones."""
    totals: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for labelled in labelled_requests(name):
        totals[labelled.task] += 1
        right[labelled.task] += classify(labelled.features) == labelled.task
    assert set(totals) == set(TASK_NAMES)
    assert right.total() / totals.total() >= least
    assert [task for task in totals if right[task] < least_of_each * totals[task]] == []


def test_the_labelled_requests_are_many_and_no_two_alike() -> None:
    texts = [labelled.features for name in ("known", "unseen") for labelled in labelled_requests(name)]
    assert len(texts) >= 300
    assert len(set(texts)) == len(texts)


def test_the_end_of_a_long_document_says_what_is_asked() -> None:
    assert classify(request(ARTICLE * 300 + "\n\nTranslate this into French.")) == "translation"
    assert classify(request("Summarize this document.\n\n" + ARTICLE * 300)) == "summarization"


def test_tools_make_it_tool_use_whatever_is_said() -> None:
    assert classify(request("Write a poem", tools=True)) == "tool_use"
    assert classify(request("Write a poem", tool_turns=1)) == "tool_use"


def test_asking_for_json_speaks_for_extraction_but_does_not_outvote_the_text() -> None:
    assert classify(request("Order 4711, two chairs", wants_json=True)) == "extraction"
    assert classify(request("Write a Python function that sorts a list", wants_json=True)) == "code"


def test_the_system_prompt_speaks_where_the_text_is_only_material() -> None:
    system = "You are a translator from English to German."
    assert classify(request("The lamp is on.", system)) == "translation"


def test_options_need_two_letters_and_code_in_fences_stays_code() -> None:
    assert classify(request("Which is it?\nA) one\nB) two")) == "multiple_choice"
    assert classify(request("Why does this fail?\n```\nf(A)\ng(B)\n```")) == "code"


def test_the_scale_follows_the_estimated_tokens() -> None:
    short = request("x" * (4 * LONG_PROMPT_TOKENS - 4))
    assert not is_long(short)
    assert is_long(replace(short, prompt_chars=4 * LONG_PROMPT_TOKENS))


def test_scripts_of_more_bytes_have_more_tokens_per_character() -> None:
    latin, cyrillic, chinese = (request(text * 100) for text in ("harbour ", "гавань и ", "港口城市"))
    per_char = [estimate_prompt_tokens(each) / each.prompt_chars for each in (latin, cyrillic, chinese)]
    assert per_char == sorted(per_char)


PIECES = [ARTICLE, "(", "A) ", "1 ", "x=", "1+", "`", "_", "a\n", "|\n", "你", "\\", "\ud800", "\0"]


@pytest.mark.parametrize("piece", PIECES)
def test_only_the_ends_of_a_text_are_read(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns and words are looked for in so many characters, however many there are."""
    read: list[int] = []

    def shape_counted(text: str) -> Shape:
        read.append(len(text))
        return shapes.shape_of(text)

    def counted(text: str) -> Evidence:
        read.append(len(text))
        return words.word_evidence(text)

    monkeypatch.setattr("gateway.tasks.classifier.shape_of", shape_counted)
    monkeypatch.setattr("gateway.tasks.classifier.word_evidence", counted)
    classify(request(piece * (20_000_000 // len(piece))))
    assert len(read) == 2
    assert max(read) <= HEAD_CHARS + len("\n") + TAIL_CHARS


@pytest.mark.parametrize("piece", PIECES)
def test_a_longer_text_takes_no_more_steps(piece: str) -> None:
    """What the steps take in seconds: `python -m benchmarks.decisions`."""

    def calls(length: int) -> int:
        features = request(piece * (length // len(piece)))
        return count_calls(lambda: classify(features))

    assert calls(2_000_000) <= 1.2 * calls(4_000) + 20 < 5_000


def test_the_class_does_not_depend_on_the_process() -> None:
    """Replicas must agree: sets of words come in another order in each process, sums and ties must not show it."""
    script = (
        "from tests.support.labelled_requests import labelled_requests\n"
        "from gateway.tasks.classifier import classify\n"
        "print([classify(one.features) for name in ('known', 'unseen') for one in labelled_requests(name)])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(answers) == 1
