"""What is broken in any process is told with its remedy."""

from dataclasses import replace

import pytest

from bandit.types import Epoch
from gateway.api_keys import new_key
from gateway.catalog.catalog import Catalog
from gateway.errors import InsufficientScope
from gateway.management.context import Management
from gateway.management.health import HealthView, get_health
from storage.database.engine import Database
from storage.records import Actor, RouterModel, RouterRecord, Via
from storage.stores.keys import Keys
from storage.stores.replicas import Finding, ModelState, Replica, Replicas, ReplicaState
from storage.stores.routers import Routers
from storage.stores.unmatched import Unmatched, UnmatchedScores

OWN = Replica("rep_1", "here", 1, "1.0", "/spool/a.", Epoch(0.0), Epoch(0.0), 0.0, state=ReplicaState("ok", 2, 0))


def no_catalog() -> Catalog:
    raise AssertionError("health needs no catalog")


@pytest.fixture
def management(database: Database) -> Management:
    now = database.clock.now()
    models = (RouterModel("p/a"),)
    Routers(database).put(RouterRecord("rtr_a", "A", b"s" * 32, {}, models, now, now))
    return Management(database, no_catalog, Actor(Via.CLI), now, "http://x")


def kinds(health: HealthView) -> list[tuple[str, str]]:
    return [(finding.severity, finding.kind) for finding in health.findings]


def test_nothing_is_found_if_all_is_well(management: Management, database: Database) -> None:
    Replicas(database).beat(OWN)
    health = get_health(management)
    assert health.findings == []
    (replica,) = health.replicas
    assert (replica.id, replica.ledger, replica.queued, replica.models) == ("rep_1", "ok", 2, [])


def test_each_fault_of_any_process_is_told_once_and_the_worst_first(management: Management, database: Database) -> None:
    now = management.now
    parked = ModelState("p/a", "parked", "Incorrect API key provided", now - 60, now + 60)
    cooling = ModelState("p/b", "cooling", "failing", now - 1, now + 1)
    states = (
        ReplicaState("ok", 0, 0, (parked, cooling)),
        ReplicaState("spooling", 0, 7, (replace(parked, since=now - 90),), notes=(Finding("model_left_out", "p/c"),)),
    )
    for number, state in enumerate(states):
        other = replace(OWN, id=f"rep_{number}", pid=number, version=f"{number}", state=state, spooling_since=now - 5)
        Replicas(database).beat(other)
    _, key = new_key("ends", ("routing",), expires_at=now + 86_400.0, now=now)
    Keys(database).add(key)
    record = Routers(database).get("rtr_a")
    assert record is not None
    Routers(database).put(replace(record, models=(RouterModel("p/a", enabled=False),)))
    health = get_health(management)
    assert kinds(health) == [
        ("error", "model_parked"),
        ("error", "ledger_spooling"),
        ("warning", "model_cooling"),
        ("warning", "model_left_out"),
        ("warning", "router_without_models"),
        ("info", "versions_differ"),
        ("info", "key_ends_soon"),
    ]
    first = health.findings[0]
    assert first.text == "p/a is parked in 2 of 2 processes: Incorrect API key provided"
    assert first.since == pytest.approx(now - 90)
    assert first.link == "/admin/models/p/a/resume"
    assert all(finding.remedy for finding in health.findings)


def test_a_process_that_is_not_heard_of_is_told_with_its_spool(management: Management, database: Database) -> None:
    Replicas(database).beat(OWN)
    later = replace(management, now=management.now + 60.0)
    (finding,) = get_health(later).findings
    assert (finding.severity, finding.kind) == ("warning", "replica_silent")
    assert "/spool/a.*" in finding.remedy


def test_scores_that_matched_nothing_are_told_by_key_for_two_days(management: Management, database: Database) -> None:
    today = int(management.now // 86_400)
    lost = {("key_1", today - 2): 5, ("key_1", today - 1): 1, ("key_1", today): 2, ("key_2", today): 1}
    Unmatched(database).add({key: UnmatchedScores(count, f"there is no {key}") for key, count in lost.items()})
    health = get_health(management)
    assert kinds(health) == [("warning", "scores_unmatched")] * 2
    text = health.findings[0].text
    assert text.startswith("3 requests with scores of API key key_1 (unknown) matched no completion, the last one: ")
    assert str(today) in text, "the example is of the last day"


def test_a_key_of_some_routers_does_not_see_the_health_of_all(management: Management) -> None:
    with pytest.raises(InsufficientScope):
        get_health(replace(management, router_ids=("rtr_a",)))
