"""Short form of `make replay`: each decision of a mixed run replays from its record."""

from pathlib import Path

from bandit.policies import PLAIN
from tests.reliability.durability.replay import replay_run


def test_every_decision_of_a_mixed_run_replays_identically(tmp_path: Path) -> None:
    report = replay_run(f"sqlite:///{tmp_path}/ledger.db", 160, 1, lambda said: None)
    assert report["failed"] == 0
    assert report["different"] == []
    assert report["decisions"] == report["identical"] >= 160
    assert report["over_http"] == {"replayed: identical": report["decisions"]}
    for policy in PLAIN:
        assert any(kind.startswith(f"policy {policy}") for kind in report["kinds"]), policy
    for kind in (
        *("with instructions", "streams", "with failover", "of a stated task", "scored", "not drawn at random"),
        *("of a variant", "in an experiment", "with a rule in force"),
    ):
        assert report["kinds"].get(kind), kind
