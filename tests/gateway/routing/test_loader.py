"""Routers and keys are read in a fixed number of statements, and what has changed alone when little has."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from bandit.posteriors.priors import model_prior
from bandit.types import ArmPrior
from gateway.catalog.catalog import Catalog
from gateway.routing.loader import EVERYTHING, Loader
from gateway.settings import load
from storage.database.engine import Database
from storage.database.revisions import Topic
from storage.records import KeyRecord, RouterModel, RouterRecord
from storage.stores.arms import Arms
from storage.stores.evals import EvalRecord, Evals
from storage.stores.keys import Keys
from storage.stores.routers import Routers
from tests.support.records import NOW, RecordMaker, RunningWriter

MODELS = ("p/one", "p/two")


@pytest.fixture
def loader(database: Database, tmp_path: Path) -> Loader:
    """A loader with a catalog of two models."""
    path = tmp_path / "bandit-gateway.toml"
    path.write_text(
        '[providers.p]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n'
        + "".join(f'[models."{model}"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2\n' for model in MODELS)
    )
    return Loader(database, Catalog(load(path, {}), datetime.now(UTC)), lambda: NOW)


@pytest.fixture
def running(database: Database) -> Iterator[RunningWriter]:
    running = RunningWriter(database)
    yield running
    running.writer.close()


def put(database: Database, router_id: str, *models: str) -> None:
    entries = tuple(RouterModel(model_id) for model_id in models or MODELS)
    Routers(database).put(RouterRecord(router_id, "", b"s" * 32, {}, entries, NOW, NOW))


def key(number: int) -> KeyRecord:
    return KeyRecord(f"key_{number}", f"{number:064x}", "", ("routing",), None, NOW)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The statements that the block sends to the database."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


def test_ten_times_the_routers_and_keys_take_no_more_statements(database: Database, loader: Loader) -> None:
    counts = []
    for numbers in (range(3), range(3, 30)):
        for number in numbers:
            put(database, f"rtr_{number}")
            Keys(database).add(key(number))
        loader.load(EVERYTHING)  # the first makes the priors
        with statements(database) as sent:
            loaded = loader.load(EVERYTHING)
        counts.append(len(sent))
    assert len(loaded.definitions) == 30
    assert counts[0] == counts[1]


def test_what_has_changed_is_read_alone(database: Database, loader: Loader) -> None:
    for number in range(5):
        put(database, f"rtr_{number}")
        Keys(database).add(key(number))
    loader.load(EVERYTHING)
    Keys(database).revoke("key_3", NOW)
    with statements(database) as sent:
        loaded = loader.load({Topic.ROUTERS: frozenset({"rtr_3", "rtr_gone"}), Topic.KEYS: frozenset({"key_3"})})
    assert loaded.definitions.keys() == {"rtr_3"}
    assert loaded.router_ids == frozenset({"rtr_3", "rtr_gone"})
    assert loaded.key_ids == frozenset({"key_3"})
    assert not any("arms" in statement or "FROM eval" in statement for statement in sent)


def test_an_evaluation_changes_the_routers_that_it_is_for(database: Database, loader: Loader) -> None:
    for router_id in ("rtr_a", "rtr_b"):
        put(database, router_id)
    loader.load(EVERYTHING)
    evals = Evals(database)

    def imported(eval_id: str, router_id: str | None) -> dict[str, list[str]]:
        record = EvalRecord(eval_id, eval_id, "m", "u", 0.0, 1.0, router_id, NOW, NOW, "imp", {})
        evals.put(record, lambda _: None)
        return sources(eval_id)

    def sources(eval_id: str) -> dict[str, list[str]]:
        loaded = loader.load({Topic.EVALS: frozenset({eval_id})})
        return {id_: [each.source for each in known.evidence] for id_, known in loaded.definitions.items()}

    assert imported("evl_1", "rtr_b") == {"rtr_b": ["eval:evl_1"]}
    kept = loader.load({Topic.ROUTERS: frozenset({"rtr_b"})}).definitions["rtr_b"].evidence
    assert imported("evl_2", None) == {"rtr_a": ["eval:evl_2"], "rtr_b": ["eval:evl_1", "eval:evl_2"]}
    again = loader.load({Topic.ROUTERS: frozenset({"rtr_b"})}).definitions["rtr_b"].evidence
    assert again[0] is kept[0], "an evaluation that has not changed is the same object, which snapshots recognise"
    evals.withdraw("evl_2", NOW)
    assert sources("evl_2") == {"rtr_a": [], "rtr_b": ["eval:evl_1"]}
    evals.delete("evl_1")
    assert sources("evl_1") == {"rtr_b": []}


def test_a_model_that_joins_borrows_its_prior_once(database: Database, loader: Loader, running: RunningWriter) -> None:
    making = RecordMaker()
    running.write(*(making.completion("rtr_old", "p/one") for _ in range(20)))
    put(database, "rtr_new")
    first = loader.load(EVERYTHING).definitions["rtr_new"]
    expected = model_prior(Arms(database).sums("rtr_old"))
    one = first.arms[0].prior
    assert one.completion_tokens == pytest.approx(expected.completion_tokens) == pytest.approx(50.0)
    assert one.total is not None
    assert expected.total is not None
    assert astuple(one.total) == pytest.approx(astuple(expected.total))
    running.write(*(making.completion("rtr_old", "p/one") for _ in range(20)))
    assert loader.load(EVERYTHING).definitions["rtr_new"] == first, "caps and clips must not move"


def test_a_model_that_has_learned_already_keeps_the_default_prior(
    database: Database, loader: Loader, running: RunningWriter
) -> None:
    making = RecordMaker()
    running.write(making.completion("rtr_old", "p/one"), making.completion("rtr_started", "p/one"))
    put(database, "rtr_started", "p/one")
    assert loader.load(EVERYTHING).definitions["rtr_started"].arms[0].prior == ArmPrior()


def test_a_model_that_is_not_configured_any_more_is_left_out(
    database: Database, loader: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    put(database, "rtr_a", "p/one", "q/gone")
    assert list(loader.load(EVERYTHING).definitions["rtr_a"].models) == ["p/one"]
    assert "q/gone" in caplog.text
