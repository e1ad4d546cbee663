"""Prompts are read whole or not at all, every wrong line is named, and the shipped ones grade themselves rightly."""

import json
from collections import Counter
from itertools import groupby, repeat
from pathlib import Path

import pytest

from gateway.evals.prompts import EvalPrompt, PromptsError, read_file, read_prompts, read_starter
from gateway.tasks.classifier import TASK_NAMES, classify
from tests.support.memory import least_peak

GRADER = {"type": "exact", "expected": "4"}


def line(**fields: object) -> bytes:
    return json.dumps({"prompt_id": "a", "prompt": "What is 2 + 2?", "grader": GRADER} | fields).encode() + b"\n"


def problems(*lines: bytes) -> list[str]:
    with pytest.raises(PromptsError) as raised:
        read_prompts(lines, "f")
    return str(raised.value).splitlines()


def test_a_line_becomes_a_request_and_its_task_is_that_of_the_classifier_unless_stated() -> None:
    (prompt,) = read_prompts([line(temperature=0, max_tokens=50)], "f")
    assert bytes(prompt.request.fields["messages"]) == b'[{"role":"user","content":"What is 2 + 2?"}]'
    assert {name: bytes(raw) for name, raw in prompt.request.fields.items() if name != "messages"} == {
        "max_tokens": b"50",
        "temperature": b"0",
    }
    assert prompt.task == classify(prompt.request.features)
    (stated,) = read_prompts([line(task="sums")], "f")
    assert stated.task == "sums"


def test_every_wrong_line_is_named_with_all_its_mistakes() -> None:
    told = problems(
        line(),
        b"\n",
        b"{not json}\n",
        line(prompt_id=""),
        line(prompt_id="b", prompt=None),
        line(prompt_id="c", messages=[]),
        line(prompt_id="d", prompt=None, messages=[{"content": "x"}]),
        line(prompt_id="e", grader=None, tsak="x"),
        line(prompt_id="f", grader=[GRADER, {"type": "regex", "pattern": "["}]),
        line(prompt_id="g", max_tokens=0),
        line(prompt_id="h", task="x" * 65),
        line(),
        line(prompt_id="i", reference="5"),
        line(prompt_id="j\0"),
        line(prompt_id="m", task="x\0y"),
        b'{"prompt_id": "k", "prompt_id": "l"}\n',
        b"[]",
    )
    assert [each.split(" ", 1)[0] for each in told] == [
        *("f:3:", "f:4:", "f:5:", "f:6:", "f:7:", "f:8:", "f:8:", "f:9:", "f:10:", "f:11:", "f:12:", "f:13:"),
        *("f:14:", "f:15:", "f:16:", "f:17:"),
    ]
    assert "`prompt_id` is that of line 1" in told[10]
    assert "`reference` does not get a 1 from its own grader" in told[11]
    assert "`grader[1].pattern`" in told[7]
    assert "messages[0].role" in told[4]


def test_a_file_without_prompts_or_with_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(b"\n") == ["f: there are no prompts in it"]
    assert "at most 4,194,304 are taken" in problems(line(prompt="x" * 5_000_000))[0]
    monkeypatch.setattr("gateway.evals.prompts.MOST_PROMPTS", 3)
    many = (line(prompt_id=str(number)) for number in range(4))
    assert "split the file" in problems(*many)[-1]


def test_of_many_wrong_lines_the_first_are_named_and_no_more_are_read_than_an_eval_may_have() -> None:
    with pytest.raises(PromptsError) as raised:
        read_prompts(repeat(b"x\n"), "f")
    told = str(raised.value).splitlines()
    assert [each.split(" ", 1)[0] for each in told[:20]] == [f"f:{number}:" for number in range(1, 21)]
    assert told[20:] == ["… and 9,980 more", "f:10001: an eval has at most 10,000 prompts and 64 MB; split the file"]


def test_a_line_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    file.write_bytes(line(prompt="x" * 2**25))

    def read() -> None:
        with pytest.raises(PromptsError, match="at most 4,194,304 are taken"):
            read_file(file)

    assert least_peak(read) < 2**24


def test_the_order_of_prompts_is_not_that_of_the_file_and_always_the_same() -> None:
    lines = [line(prompt_id=str(number)) for number in range(50)]
    ids = [prompt.prompt_id for prompt in read_prompts(lines, "f")]
    assert ids == [prompt.prompt_id for prompt in read_prompts(reversed(lines), "f")]
    assert ids != sorted(ids, key=int)


STARTER = read_starter()


def test_the_starter_has_ten_prompts_of_every_built_in_class_and_needs_no_judge() -> None:
    assert Counter(prompt.task for prompt in STARTER) == dict.fromkeys(TASK_NAMES, 10)
    assert not any(prompt.needs_judge for prompt in STARTER)
    assert sum(prompt.request.size for prompt in STARTER) < 60_000


def test_every_starter_prompt_is_of_the_class_that_the_gateway_gives_such_requests() -> None:
    assert [each.prompt_id for each in STARTER if classify(each.request.features) != each.task] == []


def score(prompt: EvalPrompt, text: str) -> float:
    (found,) = prompt.scores(text)
    assert found is not None
    return found


def test_every_starter_prompt_gives_its_reference_a_1_and_wrong_answers_a_0() -> None:
    for prompt in STARTER:
        assert prompt.reference is not None
        assert score(prompt, prompt.reference) == 1.0, prompt.prompt_id
        for wrong in ("", "Sorry, I do not know.", "42 " * 200):
            assert score(prompt, wrong) == 0.0, (prompt.prompt_id, wrong)


def test_the_answer_to_another_starter_prompt_of_the_class_is_mostly_wrong() -> None:
    for task, of_task in groupby(sorted(STARTER, key=lambda prompt: prompt.task), key=lambda prompt: prompt.task):
        prompts = list(of_task)
        others = [(prompt, other) for prompt in prompts for other in prompts if other is not prompt]
        passing = [score(prompt, other.reference or "") for prompt, other in others]
        assert sum(passing) < 0.35 * len(passing), task
