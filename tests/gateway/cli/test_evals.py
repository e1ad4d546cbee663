"""`bandit-gateway evals`."""

import json
from pathlib import Path

import pytest

from tests.support.commands import Ran

pytestmark = pytest.mark.usefixtures("home")


class TestEvals:
    def run_import(self, text: str, *more: str) -> Ran:
        Path("card.csv").write_text(text)
        fixed = ("--name", "MMLU", "--metric", "accuracy", "--unit", "percent")
        return Ran("evals", "import", "card.csv", *fixed, *more)

    def test_a_scorecard_is_kept_and_the_same_name_replaces_it(self) -> None:
        assert self.run_import("model_id,score\nsimulated/swift,50\nsimulated/sage,90\n").status == 0
        again = self.run_import("model_id,score\nsimulated/swift,60\n")
        assert "in place of the former one" in again.err
        (listed,) = json.loads(Ran("evals", "list", "--json").out)
        (row,) = listed["rows"]
        assert (row["model_id"], row["score"], row["prompts"], row["task"]) == ("simulated/swift", 0.6, 20.0, None)
        assert "MMLU" in Ran("evals", "list").out
        assert Ran("rebuild", "--check").status == 0
        assert Ran("evals", "withdraw", listed["id"]).status == 0
        assert "withdrawn on" in Ran("evals", "show", listed["id"]).out

    def test_a_mistake_names_file_and_line_and_nothing_is_imported(self) -> None:
        ran = self.run_import("model_id,score\nsimulated/swift,50\nsimulated/sag,lots\n")
        assert ran.status == 1
        assert ran.err.splitlines() == [
            'bandit-gateway: card.csv: line 3: there is no model "simulated/sag"; did you mean "simulated/sage"?',
            'bandit-gateway: card.csv: line 3: the score must be a number, not "lots"',
        ]
        assert json.loads(Ran("evals", "list", "--json").out) == []

    def test_a_dry_run_finds_a_row_that_is_repeated_thousands_of_rows_later(self) -> None:
        rows = [f"p{number},simulated/swift,{number % 100}" for number in range(2_100)]
        text = "\n".join(["prompt_id,model_id,score", *rows, rows[3]]) + "\n"
        whole, dry = self.run_import(text), self.run_import(text, "--dry-run")
        assert whole.status == dry.status == 1
        assert (
            whole.err
            == dry.err
            == ('bandit-gateway: card.csv: line 2102: scores "simulated/swift" on prompt "p3" again\n')
        )

    def test_an_unknown_router_or_file_is_told(self) -> None:
        assert "there is no router rtr_x" in self.run_import("model_id,score\n", "--router", "rtr_x").err
        fixed = ("--name", "n", "--metric", "m", "--unit", "percent")
        assert "none.csv: can't be read" in Ran("evals", "import", "none.csv", *fixed).err
