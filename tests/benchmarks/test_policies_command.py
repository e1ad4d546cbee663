"""`python -m benchmarks.policies` says what policies get, in a table, JSON and pictures, or what is wrong."""

import json
from pathlib import Path

import pytest

from benchmarks.policies import main

ROWS = "prompt_id,prompt,task,model,quality,cost_usd\n" + "".join(
    f"p{i},Say {i},chat,{model},{quality},{cost}\n"
    for i in range(40)
    for model, quality, cost in (("a", i % 2, 0.001), ("b", 0.75, 0.004))
)
SMALL = ["--values", "0.01", "--feedback", "1.0", "--delay", "5", "--seeds", "2", "--processes", "1"]
POLICIES = ["--policies", "thompson", "lin_ucb", "uniform"]


def test_a_file_is_played_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.csv").write_text(ROWS)
    out, picture = tmp_path / "out.json", tmp_path / "out.png"
    files = ["--data", str(tmp_path / "mine.csv"), "--json", str(out), "--plot", str(picture)]
    assert main([*files, *SMALL, *POLICIES]) == 0
    told = json.loads(out.read_text())
    assert {run["policy"] for run in told["runs"]} == {"thompson", "lin_ucb", "uniform"}
    assert {run["data"] for run in told["runs"]} == {"mine"}
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "thompson" in capsys.readouterr().out


def test_a_bad_file_is_one_line_and_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.csv").write_text("prompt_id,prompt\n")
    assert main(["--data", str(tmp_path / "bad.csv")]) == 1
    captured = capsys.readouterr()
    assert "column 'task' is missing" in captured.err
    assert len(captured.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "wrong", [["--values", "-1"], ["--feedback", "2"], ["--policies", "wisest"], ["--scenario", "flood"]]
)
def test_wrong_options_are_exit_status_2(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2
