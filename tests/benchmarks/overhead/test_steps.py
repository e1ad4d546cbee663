"""No change makes a request run more of our functions unseen: `python -m benchmarks.overhead.steps` lists them."""

import json
from pathlib import Path

import pytest

import benchmarks.overhead
from benchmarks.overhead.steps import count

BUDGET = json.loads((Path(benchmarks.overhead.__file__).parent / "steps.json").read_text())


@pytest.mark.parametrize(("what", "stream"), [("plain completion", False), ("stream of 100 chunks", True)])
def test_a_request_runs_no_more_functions_than_its_budget_allows(what: str, stream: bool) -> None:
    """A change that needs more raises the number in `steps.json`, and says in its commit what for; others lower it."""
    assert count(stream=stream).functions <= BUDGET[what]
