"""Short forms of `make kills` and `make replicas`, and the command line that they share."""

from pathlib import Path

import pytest

from tests.reliability.durability.__main__ import parse
from tests.reliability.durability.audit import Audit
from tests.reliability.durability.client import Memory
from tests.reliability.durability.kills import kill_rounds
from tests.reliability.durability.replicas import fewest_requests, run_replicas


def test_a_gateway_of_two_workers_that_is_killed_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    audits: list[Audit] = []

    def keep(number: int, memory: Memory, found: Audit) -> None:
        audits.append(found)

    memory, worst = kill_rounds(f"sqlite:///{tmp_path}/ledger.db", 2, 2, 1, keep)
    assert audits == [Audit(0, 0, True)] * 2
    assert worst == Audit(0, 0, True)
    assert memory.acknowledged > 0


def test_replicas_that_write_to_one_ledger_hold_what_a_single_process_would(empty_postgresql_url: str) -> None:
    report = run_replicas(empty_postgresql_url, 2, fewest_requests(2), 1, lambda said: None)
    assert (report["failed"], report["never_seen"]) == (0, 0)
    assert report["equal_to_a_single_process"], report["largest_difference"]
    assert report["rebuild_equal"]


def test_too_few_requests_for_the_replicas_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--replicas", "4", "--requests", "100"])
    assert "--requests must be 1,600 or more with 4 processes" in capsys.readouterr().err
