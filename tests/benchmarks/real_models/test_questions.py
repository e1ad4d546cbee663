"""The questions for real models are many and different, and the rule that judges them is strict and fair."""

from pathlib import Path
from statistics import fmean

import pytest

from benchmarks.real_models.__main__ import ROUTER, arms, configuration, parse
from benchmarks.real_models.asking import Server
from benchmarks.real_models.evidence import write_eval
from benchmarks.real_models.questions import Kind, Question, judge, questions
from gateway.evals.prompts import read_file
from gateway.settings import load


def test_questions_are_different_of_three_kinds_and_the_same_for_the_same_seed() -> None:
    asked = questions(200, seed=1)
    assert len({question.prompt for question in asked}) == 200
    assert {question.kind for question in asked} == set(Kind)
    assert asked == questions(200, seed=1) != questions(200, seed=2)


def test_every_question_s_own_right_answer_gets_the_full_score() -> None:
    assert {judge(question, question.right) for question in questions(200, seed=3)} == {1.0}


@pytest.mark.parametrize(
    ("kind", "right", "answer", "score"),
    [
        (Kind.SUM, "12", "12.", 1.0),
        (Kind.SUM, "12", "7 + 5 = 12", 0.5),
        (Kind.SUM, "12", "12 is what 7 + 5 is", 0.0),
        (Kind.SUM, "12", "112", 0.0),
        (Kind.SUM, "12", "", 0.0),
        (Kind.FACT, "Blue whale", "the Blue whale", 0.5),
        (Kind.FACT, "Blue whale", "blue whale.", 1.0),
        (Kind.FACT, "Ice", "Nice", 0.0),
        (Kind.JSON, '{"a": 1}', '{"a": 1}', 1.0),
        (Kind.JSON, '{"a": 1}', '```json\n{"a": 1}\n```', 1.0),
        (Kind.JSON, '{"a": 1}', '{"a": "1"}', 0.5),
        (Kind.JSON, '{"a": 1}', "[1]", 0.0),
        (Kind.JSON, '{"a": 1}', 'Sure! {"a": 1}', 0.0),
    ],
)
def test_an_answer_is_judged_by_its_form_and_content(kind: Kind, right: str, answer: str, score: float) -> None:
    assert judge(Question(kind, "?", right, 10), answer) == score


def test_the_gateway_accepts_the_configuration_that_is_written(tmp_path: Path) -> None:
    servers = [Server("q4", "http://127.0.0.1:8191/v1", 0.1, 0.4), Server("q2", "http://127.0.0.1:8192/v1", 0.05, 0.2)]
    path = tmp_path / "bandit-gateway.toml"
    path.write_text(configuration(servers, tmp_path, "balanced", Server("q8", "http://127.0.0.1:8193/v1", 1, 1), 0.1))
    settings = load(path, {})
    assert [model.model_id for model in settings.routers[ROUTER].models] == ["q4/q4", "q2/q2"]
    assert settings.routers[ROUTER].options["judge"] == {"model": "q8/q8", "share": 0.1}


def test_the_gateway_accepts_the_variants_that_are_written(tmp_path: Path) -> None:
    stated = ["--server", "q4", "http://127.0.0.1:8191/v1", "0.1", "0.4"]
    options = parse([*stated, *stated, "--params", "careful={max_tokens=48}", "--params", "short={max_tokens=8}"])
    servers = [Server("q4", "http://127.0.0.1:8191/v1", 0.1, 0.4), Server("q2", "http://127.0.0.1:8192/v1", 0.05, 0.2)]
    path = tmp_path / "bandit-gateway.toml"
    path.write_text(configuration(servers, tmp_path, "balanced", params=options.params))
    router = load(path, {}).routers[ROUTER]
    listed = [model.arm_id for model in router.models]
    assert listed == list(arms(servers, options.params))
    assert listed == ["q4/q4@careful", "q4/q4@short", "q2/q2@careful", "q2/q2@short"]


def test_a_variant_without_a_name_is_an_error_that_shows_the_form(capsys: pytest.CaptureFixture[str]) -> None:
    stated = ["--server", "q4", "http://127.0.0.1:8191/v1", "0.1", "0.4"]
    with pytest.raises(SystemExit, match="2"):
        parse([*stated, *stated, "--params", "max_tokens=8"])
    assert "short='{max_tokens=8}', not 'max_tokens=8'" in capsys.readouterr().err


def test_an_eval_of_the_questions_grades_as_the_rule_does(tmp_path: Path) -> None:
    asked = questions(60, seed=4)
    write_eval(asked, tmp_path / "others.jsonl", with_task=True)
    prompts = {prompt.prompt_id: prompt for prompt in read_file(tmp_path / "others.jsonl")}
    for number, question in enumerate(asked):
        prompt = prompts[f"q{number}"]
        assert prompt.task == question.kind
        for answer in (question.right, f"It is {question.right}", "{}", "no"):
            assert fmean(score or 0.0 for score in prompt.scores(answer)) == judge(question, answer)


def test_one_server_is_nothing_to_choose_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(["--server", "q4", "http://127.0.0.1:8191/v1", "0.1", "0.4"])
    assert "at least twice" in capsys.readouterr().err
