"""What a start puts into the database: declared routers, the default one, and the first key."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bandit.types import Epoch, Json
from gateway.api_keys import hash_key
from gateway.catalog.catalog import Catalog
from gateway.maintenance.rebuild import rebuild_of
from gateway.maintenance.retention import RetentionWorker
from gateway.serving.bootstrap import Prepared, prepare
from gateway.settings import load
from storage.database.engine import Database, open_database
from storage.records import Actor, RouterModel, Via
from storage.stores.audit import Audit
from storage.stores.keys import Keys
from storage.stores.routers import Routers
from tests.support.records import RecordMaker, RunningWriter
from tests.support.waiting import wait_until

NOW = datetime(2026, 11, 1, tzinfo=UTC)
Start = Callable[..., Prepared]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/a.db")
    yield database
    database.close()


@pytest.fixture
def start(tmp_path: Path, database: Database) -> Start:
    def start_with(text: str = "", at: float = 1.0, **environ: str) -> Prepared:
        path = tmp_path / "a.toml"
        path.write_text(text)
        settings = load(path, environ)
        return prepare(settings, Catalog(settings, NOW), database, at)

    return start_with


def enabled(database: Database, router_id: str) -> list[str]:
    record = Routers(database).get(router_id)
    assert record is not None
    return [model.model_id for model in record.models if model.enabled]


def test_the_first_start_makes_a_router_and_a_key_that_is_shown_once(start: Start, database: Database) -> None:
    prepared = start()
    assert prepared.new_key_secret is not None
    (key,) = Keys(database).all()
    assert key.hash == hash_key(prepared.new_key_secret)
    assert key.scopes == ("routing", "feedback", "admin")
    assert enabled(database, "rtr_default") == ["simulated/swift", "simulated/steady", "simulated/sage"]
    again = start(at=2.0)
    assert again == Prepared(None, ())
    assert len(Keys(database).all()) == 1


def test_a_routers_secret_is_its_own_and_stays(start: Start, database: Database) -> None:
    text = "".join(f'[routers.rtr_{name}]\nmodels = ["simulated/swift"]\n' for name in "ab")
    start(text)
    before = {record.id: record.secret for record in Routers(database).all()}
    start(text + "max_attempts = 2\n")
    assert {record.id: record.secret for record in Routers(database).all()} == before
    assert len(set(before.values())) == 2
    assert all(len(secret) >= 32 for secret in before.values())


def test_the_default_router_follows_the_provider_keys(start: Start, database: Database) -> None:
    start()
    prepared = start(at=2.0, GROQ_API_KEY="k")
    assert enabled(database, "rtr_default") == ["groq/openai/gpt-oss-20b", "groq/openai/gpt-oss-120b"]
    assert len(prepared.messages) == 1
    assert "rtr_default follows what is configured: groq/" in prepared.messages[0]
    record = Routers(database).get("rtr_default")
    assert record is not None
    assert RouterModel("simulated/sage", enabled=False) in record.models, "what was learned of it is kept"


def test_declared_routers_take_the_place_of_the_default_one(start: Start, database: Database) -> None:
    start('[routers.rtr_a]\nname = "A"\nmodels = ["simulated/sage"]\npolicy = "uniform"\n')
    (record,) = Routers(database).all()
    assert (record.id, record.name, record.settings["policy"]) == ("rtr_a", "A", "uniform")


def test_declared_wins_over_what_was_changed_and_says_so(start: Start, database: Database) -> None:
    text = '[routers.rtr_a]\nmodels = ["simulated/sage"]\npolicy = "uniform"\n'
    start(text)
    routers = Routers(database)
    record = routers.get("rtr_a")
    assert record is not None
    changed: dict[str, Json] = {"policy": "cheapest", "max_attempts": 2}
    models = (*record.models, RouterModel("simulated/swift"))
    routers.put(replace(record, name="Renamed", settings=changed, models=models))
    prepared = start(text, at=5.0)
    assert prepared.messages == (
        'router rtr_a: as declared, policy is "uniform" (was "cheapest"); simulated/swift is disabled',
    )
    record = routers.get("rtr_a")
    assert record is not None
    assert record.settings["policy"] == "uniform"
    assert record.settings["max_attempts"] == 2, "what the file does not mention is left alone"
    assert record.name == "Renamed"
    assert enabled(database, "rtr_a") == ["simulated/sage"]
    assert record.updated_at == 5.0


def test_a_start_leaves_a_rebuild_that_is_due_to_the_worker_beside_the_requests(
    start: Start, database: Database
) -> None:
    start('[routers.rtr_a]\nmodels = ["simulated/sage"]\n')
    running = RunningWriter(database)
    running.write(RecordMaker().completion("rtr_a", "simulated/sage"))
    running.writer.close()
    record = Routers(database).get("rtr_a")
    assert record is not None
    Routers(database).put(replace(record, settings={"half_lives": {"success_seconds": 60.0}}))
    prepared = start(at=2.0)
    assert prepared.messages == (
        "router rtr_a: its statistics are rebuilt beside the requests, as its half-lives or the form of the sums "
        "changed",
    )
    assert rebuild_of(database).check() != [], "a start waits for no comparison of a ledger"
    worker = RetentionWorker(database, lambda: Epoch(3.0))
    worker.start()
    wait_until(lambda: rebuild_of(database).check() == [], "the worker rebuilds what is due", 60)
    worker.close()
    assert start(at=4.0).messages == ()


def test_routers_that_are_not_declared_are_left_alone(start: Start, database: Database) -> None:
    start('[routers.rtr_a]\nmodels = ["simulated/sage"]\n')
    before = Routers(database).get("rtr_a")
    prepared = start('[routers.rtr_b]\nmodels = ["simulated/swift"]\n', at=2.0)
    assert prepared.messages == ()
    assert before is not None
    assert Routers(database).get("rtr_a") == replace(before, declared={})


def test_an_administrators_key_works_and_a_changed_one_replaces_it(start: Start, database: Database) -> None:
    first, second = "a-secret-of-ours-1", "a-secret-of-ours-2"
    assert start(BANDIT_GATEWAY_ADMIN_KEY=first).new_key_secret is None, "nothing is printed for automation"
    start(BANDIT_GATEWAY_ADMIN_KEY=first)
    assert [key.hash for key in Keys(database).all()] == [hash_key(first)]
    prepared = start(at=9.0, BANDIT_GATEWAY_ADMIN_KEY=second)
    assert "is revoked" in prepared.messages[0]
    assert {key.hash: key.revoked_at for key in Keys(database).all()} == {hash_key(first): 9.0, hash_key(second): None}
    prepared = start(at=10.0, BANDIT_GATEWAY_ADMIN_KEY=first)
    assert "was revoked" in prepared.messages[1], "a secret that was given up does not come back, and the log says so"
    assert all(key.revoked_at for key in Keys(database).all())


def test_a_price_of_the_file_that_has_changed_is_in_the_trail_with_what_it_was(
    start: Start, database: Database
) -> None:
    text = """
[providers.p]
base_url = "http://127.0.0.1:1/v1"
[models."p/one"]
input_usd_per_million = {dollars}
output_usd_per_million = 4
[routers.rtr_a]
models = ["p/one", "simulated/swift"]
"""
    for number, dollars in enumerate((1, 1, 2.5, 2.5)):
        start(text.format(dollars=dollars), at=100.0 + number)
    (change,) = Audit(database).page(9, action="model.price").records
    assert (change.target, change.at, change.actor) == ("p/one", 102.0, Actor(Via.FILE))
    assert (change.before["input_usd_per_million"], change.after["input_usd_per_million"]) == (1.0, 2.5)
    assert "output_usd_per_million" not in change.after, "it is the same"
