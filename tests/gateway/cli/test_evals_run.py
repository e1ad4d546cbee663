"""`evals run` against a provider whose right and wrong answers are known."""

import csv
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.evals import asking
from gateway.serving.bootstrap import prepare
from gateway.serving.rereading import read
from gateway.settings import load
from storage.database.engine import open_database
from tests.support.examinee import Examinee
from tests.support.gateway import COMMAND_LINE, clean_environ
from tests.support.processes import spawn
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

MODELS = ("right", "wrong", "limited", "broken", "unknown", "long", "slow", "fair", "prose", "seven", "silent")


class Ran:
    def __init__(self, *arguments: str) -> None:
        result = CliRunner().invoke(app, ["evals", "run", *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.status = result.exit_code
        self.out, self.err = result.stdout, result.stderr

    def json(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.out)
        return found


@pytest.fixture(scope="module")
def provider() -> Iterator[tuple[Examinee, str]]:
    examinee = Examinee()
    with serve_app(examinee.app()) as url:
        yield examinee, url


@pytest.fixture
def examinee(
    provider: tuple[Examinee, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path
) -> Examinee:
    """The provider, and a folder with a configuration of its models and a database; retries come at once."""
    examinee, url = provider
    examinee.asked.clear()
    examinee.efforts.clear()
    examinee.most_at_once = 0
    examinee.release.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asking, "FIRST_WAIT_SECONDS", 0.01)
    for name in [name for name in clean_environ() if name.startswith("BANDIT")]:
        monkeypatch.delenv(name)
    text = f'[providers.p]\nbase_url = "{url}/v1"\n'
    for model in MODELS:
        text += f'[models."p/{model}"]\ninput_usd_per_million = 100\noutput_usd_per_million = 1000\nabilities = []\n'
    text += '[routers.rtr_a]\nmodels = ["p/right", "p/wrong"]\n'
    text += '[routers.rtr_levels]\nmodels = [{ id = "p/fair", thinking = ["low", "high"] }]\n'
    text = text.replace('[models."p/fair"]\n', '[models."p/fair"]\nthinking = ["low", "high"]\n')
    Path("bandit-gateway.toml").write_text(text)
    configured = read(lambda: load(None, {}))
    database = open_database("sqlite:///bandit-gateway.db")
    prepare(configured.settings, configured.catalog, database, time.time())
    database.close()
    return examinee


def write(count: int, **fields: object) -> None:
    """Prompts `sum: N 1` in sums.jsonl, of two tasks; an answer costs $0.006, of which at most $0.0212 is reserved."""
    lines = [
        {
            "prompt_id": f"p{number}",
            "task": f"t{number % 2}",
            "prompt": f"sum: {number} 1",
            "grader": {"type": "number", "expected": number + 1},
            "max_tokens": 10,
            **fields,
        }
        for number in range(count)
    ]
    Path("sums.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def models(*names: str) -> list[str]:
    return [part for name in names for part in ("--models", f"p/{name}")]


def summary(ran: Ran, model: str) -> dict[str, object]:
    found = ran.json()["summaries"]
    assert isinstance(found, list)
    (each,) = [each for each in found if (each["model_id"], each["task"]) == (f"p/{model}", None)]
    return dict(each)


RUN = ("sums.jsonl", "--router", "rtr_a", "--yes", "--json")


class TestRun:
    def test_each_variant_is_asked_with_its_settings_and_scored_by_itself(self, examinee: Examinee) -> None:
        write(3)
        ran = Ran("sums.jsonl", "--router", "rtr_levels", "--yes", "--json")
        assert (ran.status, ran.json()["missing"]) == (0, 0), ran.err
        assert examinee.efforts == {"low": 3, "high": 3}
        assert summary(ran, "fair@low")["quality"] == summary(ran, "fair@high")["quality"] == 0.0
        assert summary(Ran(*RUN, "--models", "p/right"), "right")["quality"] == 1.0

    def test_every_enabled_model_is_asked_each_prompt_once_and_scored_rightly(self, examinee: Examinee) -> None:
        write(6)
        ran = Ran(*RUN, "--rows", "rows.csv")
        assert (ran.status, ran.json()["missing"], ran.json()["spent_usd"]) == (0, 0, pytest.approx(12 * 0.006))
        assert (summary(ran, "right")["quality"], summary(ran, "wrong")["quality"]) == (1.0, 0.0)
        assert set(examinee.asked.values()) == {1}
        assert len(examinee.asked) == 12
        with Path("rows.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {(row["prompt_id"], row["task"], row["model_id"], row["score"]) for row in rows} == {
            (f"p{number}", f"t{number % 2}", f"p/{model}", score)
            for number in range(6)
            for model, score in (("right", "1.0"), ("wrong", "0.0"))
        }
        assert {(row["prompt_tokens"], row["completion_tokens"], row["cost_usd"]) for row in rows} == {
            ("10", "5", "0.006")
        }
        (kept,) = json.loads(CliRunner().invoke(app, ["evals", "list", "--json"]).stdout)
        assert (kept["id"], kept["name"], kept["router_id"]) == (ran.json()["id"], "sums", "rtr_a")
        assert [(row["model_id"], row["task"], row["score"], row["prompts"]) for row in kept["rows"]] == [
            (f"p/{model}", task, score, 3.0)
            for model, score in (("right", 1.0), ("wrong", 0.0))
            for task in ("t0", "t1")
        ]
        assert {round(row["cost_usd"], 9) for row in kept["rows"]} == {0.006}

    def test_run_again_it_asks_for_nothing_but_what_is_new(self, examinee: Examinee) -> None:
        write(4)
        first = Ran(*RUN)
        again = Ran(*RUN)
        assert (again.json()["spent_usd"], again.json()["rows"]) == (first.json()["spent_usd"], 8)
        assert "8 of 8 answers are in sums-rtr_a.run" in again.err
        write(5)
        Ran(*RUN)
        assert set(examinee.asked.values()) == {1}
        Ran(*RUN, "--fresh")
        assert set(examinee.asked.values()) == {2}
        evals = json.loads(CliRunner().invoke(app, ["evals", "list", "--json"]).stdout)
        assert [sum(row["prompts"] for row in each["rows"]) for each in evals] == [10.0]

    def test_it_stops_before_the_limit_and_goes_on_with_a_larger_one(self, examinee: Examinee) -> None:
        write(20)
        stopped = Ran(*RUN, *models("right"), "--max-usd", "0.05")
        assert (stopped.status, stopped.json()["limit_reached"]) == (1, True)
        assert "with a larger --max-usd run it again" in stopped.err
        spent = stopped.json()["spent_usd"]
        assert isinstance(spent, float)
        assert 0.0 < spent <= 0.05
        assert examinee.calls("right") == round(spent / 0.006) == 20 - int(str(stopped.json()["missing"]))
        whole = Ran(*RUN, *models("right"))
        assert (whole.status, examinee.calls("right")) == (0, 20)

    def test_no_more_calls_than_allowed_run_at_once(self, examinee: Examinee) -> None:
        write(12)
        Ran(*RUN, "--concurrency", "3")
        assert 1 <= examinee.most_at_once <= 3

    def test_without_a_yes_nothing_is_asked_and_a_dry_run_tells_the_cost(self, examinee: Examinee) -> None:
        write(2)
        refused = Ran("sums.jsonl", "--router", "rtr_a")
        assert (refused.status, "confirm with --yes" in refused.err) == (2, True)
        dry = Ran("sums.jsonl", "--router", "rtr_a", "--dry-run")
        assert (dry.status, "expected cost: about $0.0" in dry.err) == (0, True)
        assert not examinee.asked
        assert not Path("sums-rtr_a.run").exists()

    def test_the_table_has_intervals_cost_and_wait(self, examinee: Examinee) -> None:
        write(4)
        ran = Ran("sums.jsonl", "--router", "rtr_a", "--yes")
        assert "task  model    prompts  graded  quality          90 %  $ per 1,000  seconds" in ran.out
        assert "all   p/right        4       4     1.00  0.60 to 1.00        6.000" in ran.out
        assert "spent: $0.0480" in ran.err


class TestFailures:
    def test_limits_are_waited_for_and_what_is_broken_or_unknown_is_told_and_not_scored(
        self, examinee: Examinee
    ) -> None:
        write(8)
        ran = Ran(*RUN, *models("limited", "broken", "unknown", "long"), "--concurrency", "4")
        assert ran.status == 1
        assert (summary(ran, "limited")["graded"], summary(ran, "limited")["quality"]) == (8, 1.0)
        assert [summary(ran, model)["graded"] for model in ("broken", "unknown", "long")] == [0, 0, 0]
        told = json.dumps(ran.json()["ungraded"])
        assert "is not asked any more, after 3 failures" in told
        assert "does not exist" in told
        assert "cut off at max_tokens" in told
        assert examinee.calls("unknown") <= 4
        assert examinee.calls("broken") < 8 * asking.MOST_TRIES
        assert ran.json()["rows"] == 8

    def test_every_wrong_line_is_named_and_nothing_is_asked(self, examinee: Examinee) -> None:
        Path("sums.jsonl").write_text(
            '{"prompt_id": "a"}\n{"prompt_id": "b", "prompt": "x", "grader": {"type": "no"}}\n'
        )
        ran = Ran(*RUN)
        assert ran.status == 2
        assert [line.split(" ")[1] for line in ran.err.splitlines()] == ["sums.jsonl:1:"] * 2 + ["sums.jsonl:2:"]
        assert not examinee.asked

    def test_a_full_disk_is_told_on_one_line(self, examinee: Examinee, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(file: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("gateway.evals.journal.os.write", full)
        write(4)
        ran = Ran(*RUN)
        assert (ran.status, "sums-rtr_a.run: can't be written (No space left on device)" in ran.err) == (1, True)
        assert not examinee.asked

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["missing.jsonl", "--router", "rtr_a"], "missing.jsonl: can't be read"),
            (["starter", "--router", "rtr_b"], "there is no router rtr_b"),
            (["starter", "--router", "rtr_a", "--models", "p2/x"], "p2"),
            (["starter", "--router", "rtr_a", "--max-usd", "nan"], "--max-usd must be"),
            (["starter", "--router", "rtr_a", "--yes", "--state", "no/where.run"], "name another file with --state"),
            (["starter", "--router", "rtr_a", "--yes", "--state", "/dev/full"], "name another one with --state"),
        ],
    )
    def test_wrong_arguments_are_told(self, examinee: Examinee, arguments: Sequence[str], told: str) -> None:
        ran = Ran(*arguments)
        assert (ran.status in {1, 2}, told in ran.err) == (True, True)
        assert not examinee.asked


def write_judged(count: int) -> None:
    write(count, grader={"type": "judge", "rubric": "Is the sum right?"})


JUDGED_BY = ("--max-usd", "20", "--judge")  # a reply of its full length would cost $2.05


class TestJudge:
    def test_a_judge_scores_its_cost_is_apart_and_it_is_asked_once(self, examinee: Examinee) -> None:
        write_judged(3)
        ran = Ran(*RUN, *JUDGED_BY, "p/fair")
        assert [summary(ran, model)["quality"] for model in ("right", "wrong")] == [0.5, 0.5]
        assert summary(ran, "right")["cost_usd"] == pytest.approx(0.006)
        assert ran.json()["judge_usd"] == pytest.approx(6 * 0.006)
        again = Ran(*RUN, *JUDGED_BY, "p/fair")
        assert (examinee.calls("fair"), again.json()["rows"]) == (6, 6)

    @pytest.mark.parametrize("judge", ["prose", "seven", "silent", "broken", "unknown"])
    def test_what_a_bad_judge_says_leaves_answers_ungraded_and_counted(self, examinee: Examinee, judge: str) -> None:
        write_judged(3)
        ran = Ran(*RUN, *JUDGED_BY, f"p/{judge}")
        assert (ran.json()["rows"], summary(ran, "right")["quality"]) == (0, None)
        ungraded = ran.json()["ungraded"]
        assert isinstance(ungraded, list)
        assert sum(each["count"] for each in ungraded) == 6
        assert all(each["why"].startswith("the judge ") for each in ungraded)

    def test_a_judge_that_hangs_leaves_answers_ungraded(
        self, examinee: Examinee, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "MOST_TRIES", 1)
        write_judged(1)
        ran = Ran(*RUN, *models("right"), *JUDGED_BY, "p/slow", "--timeout", "0.2")
        examinee.release.set()
        assert (ran.json()["rows"], "the judge" in json.dumps(ran.json()["ungraded"])) == (0, True)

    def test_a_prompt_that_needs_a_judge_needs_one_named(self, examinee: Examinee) -> None:
        write_judged(3)
        ran = Ran(*RUN)
        assert (ran.status, "3 prompts need a judge" in ran.err) == (2, True)
        assert "models prefer their own" in Ran(*RUN, *JUDGED_BY, "p/right").err


class TestKilled:
    def test_a_killed_run_pays_for_nothing_twice_and_a_second_one_at_once_is_told(
        self, examinee: Examinee, tmp_path: Path
    ) -> None:
        write(6)
        command = [sys.executable, *COMMAND_LINE, "evals", "run", *RUN, *models("right", "slow"), "--concurrency", "2"]
        process = spawn(command, tmp_path / "log", environ=clean_environ(), folder=tmp_path)
        try:
            wait_until(lambda: examinee.calls("slow") == 2, "both slots wait for the slow model", 60)
            second = Ran(*RUN, *models("right", "slow"))
            assert (second.status, "is used by another run" in second.err) == (1, True)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        before = examinee.asked.copy()
        examinee.release.set()
        whole = Ran(*RUN, *models("right", "slow"))
        assert (whole.status, whole.json()["missing"]) == (0, 0)
        assert "for answers that were lost" in whole.err
        lost = sum(before[key] for key in before if key[0] == "slow")
        assert lost == 2
        assert sum(examinee.asked.values()) == 12 + lost
        assert {count for (model, _), count in examinee.asked.items() if model == "right"} == {1}
