"""`feedback import` records a file's scores as `POST /feedback` does, while a gateway serves."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bandit.statistics import Signal
from gateway.cli.commands import app
from tests.support.gateway import Running, run_gateway
from tests.support.memory import least_peak
from tests.support.waiting import wait_until

CONFIGURATION = """database_url = "{url}"
[routers.rtr_a]
models = ["simulated/swift"]
feedback_scale = [1, 5]
"""


class Ran:
    def __init__(self, *arguments: str) -> None:
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.status, self.out, self.err = result.exit_code, result.stdout, result.stderr


def import_file(text: str | bytes, *arguments: str) -> Ran:
    Path("scores.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return Ran("feedback", "import", "scores.csv", "--config", "bandit-gateway.toml", *arguments)


@pytest.fixture
def running(ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.chdir(tmp_path)
    with run_gateway(CONFIGURATION.format(url=ledger_url), tmp_path) as gateway:
        yield gateway


def answered(running: Running) -> str:
    asked = running.client("rtr_a").chat.completions.create(
        model="dari/routing", messages=[{"role": "user", "content": "Hi"}], max_tokens=1
    )
    return str(asked.id)


def quality(running: Running) -> tuple[float, float]:
    """Number and sum of the scores that the running gateway has learned from."""
    sums = running.gateway.routers["rtr_a"].state.sums
    found = [each for key, each in sums.items() if key.signal is Signal.QUALITY and key.task]
    return round(sum(each.weight for each in found), 3), round(sum(each.total for each in found), 3)


def test_scores_of_a_file_count_once_are_learned_by_a_running_gateway_and_are_part_of_a_rebuild(
    running: Running,
) -> None:
    first, second, third = (answered(running) for _ in range(3))
    text = (
        "completion_id,score,thumb,source,comment,preferred,rejected\n"
        f"{first},4,,,fine,,\n"
        f'{second},,down,phone,"two\nlines",,\n'
        "\n"
        f",,,,,{third},{second}\n"
    )
    ran = import_file(text, "--json")
    assert (ran.status, json.loads(ran.out)) == (
        0,
        {"rows": 3, "recorded": 3, "updated": 0, "unchanged": 0, "refused": 0},
    )
    wait_until(lambda: quality(running) == (3.0, 1.75), "the gateway has learned 0.75, 0 and 1")
    assert json.loads(import_file(text, "--scale", "1,5", "--json").out)["unchanged"] == 3
    changed = import_file(f"completion_id,score\n{first},0.25\n", "--scale", "0,1", "--json")
    assert json.loads(changed.out)["updated"] == 1
    wait_until(lambda: quality(running) == (3.0, 1.25), "the gateway has learned the correction")
    with running.http() as http:
        assert http.post("/feedback", json={"completion_id": first, "score": 2}).json()["status"] == "unchanged"
        off = http.post("/feedback", json={"completion_id": first, "score": 0.5}).json()["error"]
        assert (off["param"], "between 1 and 5, not 0.5" in off["message"]) == ("score", True)
        assert http.post("/feedback", json={"completion_id": second, "thumb": "up"}).json()["score"] == 1.0
    assert Ran("rebuild", "--check", "--config", "bandit-gateway.toml").status == 0

    unknown = "req_" + "0" * 32
    partly = import_file(f"completion_id,score\n{unknown},1\n{first},1\n{first},9\n")
    assert partly.status == 1
    assert f"scores.csv:2: there is no completion {unknown}" in partly.err
    assert "0 recorded, 1 updated, 0 unchanged, 2 refused" in partly.err
    assert "scores.csv:4: the scores of" in partly.err


def test_every_wrong_row_is_named_and_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No database is opened: there is none."""
    monkeypatch.chdir(tmp_path)
    Path("bandit-gateway.toml").write_text("")
    known = "req_" + "1" * 32
    rows = [
        f"{known},0.5,,",
        f"{known},7e6,,",
        f"{known},nan,,",
        f"{known},,sideways,",
        f"{known},,,",
        ",1,,",
        "chatcmpl-3,1,,",
        f"{known},1,," + "x" * 33,
        f"{known},1",
        f"{known},1,,\udcff",
        f'{known},1,,"a"b',
        f"{known},1,," + "y" * 200_000,
        f'{known},1,,"open',
    ]
    ran = import_file("\n".join(["completion_id,score,thumb,source", *rows]).encode(errors="surrogateescape"))
    assert ran.status == 1
    told = ran.err.splitlines()
    assert [line.split(":")[1] for line in told[:-1]] == [str(number) for number in range(3, 15)]
    assert "12 of 13 rows of scores.csv are wrong; nothing was recorded" in told[-1]
    assert "`score` must be between -1e+06 and 1e+06, not 7e+06" in told[0]
    assert "is not valid UTF-8" in told[8]
    assert import_file(f"completion_id,score\n{known},3\n", "--scale", "1,5", "--dry-run").err == "1 rows are right\n"


def test_of_many_wrong_rows_the_first_are_named_and_no_line_is_read_whole_that_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bandit-gateway.toml").write_text("")
    told = import_file("completion_id,score\n" + "x,1\n" * 1_000).err.splitlines()
    assert [each.partition(": ")[0] for each in told[:20]] == [f"scores.csv:{number}" for number in range(2, 22)]
    assert told[20] == "… and 980 more"
    assert told[21].endswith("1,000 of 1,000 rows of scores.csv are wrong; nothing was recorded")
    Path("scores.csv").write_bytes(b"completion_id,score\n" + b"x" * 2**25)
    assert least_peak(lambda: Ran("feedback", "import", "scores.csv", "--config", "bandit-gateway.toml")) < 2**24


@pytest.mark.parametrize("text", ["", "\n\n", "completion_id,stars\n", "score,score\n", "completion_id;score\n"])
def test_a_file_without_a_right_header_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bandit-gateway.toml").write_text("")
    ran = import_file(text)
    assert (ran.status, "scores.csv:1: the first line must name columns" in ran.err) == (2, True)


@pytest.mark.parametrize("scale", ["5", "1,1", "a,b", "1,2,3", "0,inf"])
def test_a_wrong_scale_is_refused(scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bandit-gateway.toml").write_text("")
    ran = import_file("completion_id,score\n", "--scale", scale)
    assert (ran.status, "such as 1,5" in ran.err) == (2, True)
