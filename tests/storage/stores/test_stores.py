"""Routers, keys, evaluations and priors are kept as they are given."""

import dataclasses

import pytest

from bandit.statistics import Signal
from bandit.types import ArmPrior, LogNormalPrior
from storage.database.engine import Database
from storage.records import Actor, AuditRecord, KeyRecord, RouterModel, RouterRecord, Variant, Via
from storage.stores.audit import Audit
from storage.stores.evals import EvalRecord, Evals, EvalScore
from storage.stores.keys import Keys
from storage.stores.priors import Priors
from storage.stores.routers import RouterChanged, Routers
from tests.support.records import NOW, RecordMaker, RunningWriter

ROUTER = RouterRecord(
    id="rtr_a",
    name="Support — antworten",
    secret=b"\x00\xff secret",
    settings={"policy": "thompson", "objective": {"quality_usd": 0.02}, "limits": [1, 2.5, None, True]},
    models=(
        RouterModel("z/last"),
        RouterModel("a/first", enabled=False, min_share=0.1, max_share=0.5),
        RouterModel("z/last", variant=Variant("low+priority", "low", "priority", (("top_p", "0.5"),))),
    ),
    created_at=NOW,
    updated_at=NOW + 0.25,
)
KEY = KeyRecord("key_1", "a" * 64, "my label", ("routing", "feedback"), ("rtr_a",), NOW, NOW + 1e6)
EVAL = EvalRecord(
    id="evl_1",
    name="mmlu",
    metric="accuracy",
    unit="percent",
    minimum=0.0,
    maximum=100.0,
    router_id=None,
    created_at=NOW,
    made_at=NOW - 10.0,
    import_id="imp_1",
    sums={("a/one", "code", Signal.QUALITY): (2.0, 1.5, 1.25), ("b/two", "", Signal.COST): (20.0, 1.0, 0.5)},
)


def test_a_router_is_read_back_as_it_was_put_with_its_models_in_order(database: Database) -> None:
    routers = Routers(database)
    other = dataclasses.replace(ROUTER, id="rtr_b", models=())
    routers.put(other)
    routers.put(ROUTER)
    assert routers.all() == [ROUTER, other]
    assert (routers.get("rtr_a"), routers.get("rtr_c")) == (ROUTER, None)


def test_putting_a_router_replaces_it_whole(database: Database) -> None:
    routers = Routers(database)
    routers.put(ROUTER)
    changed = dataclasses.replace(ROUTER, name="x", settings={}, models=(RouterModel("a/new"),), updated_at=NOW + 9)
    routers.put(changed)
    routers.note_declared({"rtr_a": {"name": 3}})
    assert routers.all() == [dataclasses.replace(changed, revision=2, declared={"name": 3})]
    routers.note_declared({})
    assert routers.all() == [dataclasses.replace(changed, revision=2)]


def test_only_the_expected_revision_of_a_router_is_replaced_or_deleted(database: Database) -> None:
    routers = Routers(database)
    with pytest.raises(RouterChanged):
        routers.put(ROUTER, expected=1)
    routers.put(ROUTER, expected=0)
    change = AuditRecord("chg_1", NOW, Actor(Via.API), "router.update", "rtr_a")
    for other in (0, 2):
        with pytest.raises(RouterChanged):
            routers.put(dataclasses.replace(ROUTER, name="lost"), change, expected=other)
    assert not routers.delete("rtr_a", NOW, change, expected=2)
    assert (routers.all(), Audit(database).get("chg_1")) == ([ROUTER], None)
    routers.put(dataclasses.replace(ROUTER, name="kept"), change, expected=1)
    assert Audit(database).get("chg_1") == change
    assert routers.delete("rtr_a", NOW, dataclasses.replace(change, id="chg_2"), expected=2)
    assert Audit(database).get("chg_2") is not None


def test_a_deleted_router_leaves_its_ledger_and_statistics(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    routers = Routers(database)
    routers.put(ROUTER)
    running.write(making.completion("rtr_a"))
    assert routers.delete("rtr_a", NOW)
    assert not routers.delete("rtr_a", NOW + 9)
    assert (routers.all(), routers.get("rtr_a")) == ([], None)
    assert routers.deleted() == [dataclasses.replace(ROUTER, deleted_at=NOW)]
    assert running.write(making.completion("rtr_a")) == [()]


def test_a_deleted_router_comes_back_as_it_was_or_as_another_one(database: Database) -> None:
    routers = Routers(database)
    other = dataclasses.replace(ROUTER, name="another", models=(), settings={})
    routers.put(ROUTER)
    assert not routers.restore("rtr_a")
    routers.delete("rtr_a", NOW)
    assert routers.restore("rtr_a")
    assert (routers.all(), routers.deleted()) == ([ROUTER], [])
    for revision, come_back in enumerate((routers.put, routers.add), start=2):
        routers.delete("rtr_a", NOW)
        come_back(other)
        assert (routers.all(), routers.deleted()) == ([dataclasses.replace(other, revision=revision)], [])
    assert not routers.add(ROUTER)


def test_a_key_is_kept_once_and_revoked_once(database: Database) -> None:
    keys = Keys(database)
    forever = KeyRecord("key_2", "b" * 64, "", ("admin",), None, NOW + 1)
    keys.add(KEY)
    keys.add(forever)
    keys.add(dataclasses.replace(KEY, id="key_3", label="the same secret"))
    assert keys.all() == [KEY, forever]
    assert keys.of({"key_2", "key_9"}) == [forever]
    assert (keys.get("key_1"), keys.get("key_9"), keys.labelled("my label")) == (KEY, None, [KEY])
    assert keys.revoke("key_1", NOW + 5)
    assert not keys.revoke("key_1", NOW + 6)
    assert not keys.revoke("key_9", NOW)
    assert keys.all()[0] == dataclasses.replace(KEY, revoked_at=NOW + 5)
    assert keys.labelled("my label") == []


def test_an_evaluation_is_kept_whole_replaced_withdrawn_and_removed_with_its_rows(database: Database) -> None:
    evals = Evals(database)
    rows = [EvalScore("a/one", 1.0, "code", "p1"), EvalScore("a/one", 0.5, "code", "p2", cost_usd=0.1)]
    assert evals.insert_scores("imp_1", rows) == set()
    assert evals.insert_scores("imp_1", [rows[0], EvalScore("b/two", 1.0, notes="why")]) == {("a/one", "code", "p1")}
    assert evals.put(EVAL, lambda former: None) == EVAL
    assert evals.all() == [EVAL]
    assert sorted(evals.scores("imp_1"), key=repr) == sorted([*rows, EvalScore("b/two", 1.0, notes="why")], key=repr)
    assert evals.notes("imp_1") == {("b/two", ""): "why"}
    evals.insert_scores("imp_2", [EvalScore("c/three", 1.0)])
    assert evals.abandoned("imp_9") == ["imp_2"], "an import that is not put yet"
    again = dataclasses.replace(EVAL, id="evl_2", import_id="imp_2", sums={})
    assert evals.put(again, lambda former: None) == dataclasses.replace(again, id="evl_1")
    assert list(evals.scores("imp_1")) == []
    assert evals.withdraw("evl_1", NOW + 1.0)
    assert not evals.withdraw("evl_1", NOW + 2.0)
    assert [each.withdrawn_at for each in evals.all()] == [NOW + 1.0]
    assert evals.delete("evl_1")
    assert not evals.delete("evl_1")
    assert list(evals.scores("imp_2")) == []


def test_a_prior_is_created_once_and_read_back(database: Database) -> None:
    priors = Priors(database)
    first = ArmPrior(first_token=LogNormalPrior(-0.5, 0.75, 10.0), completion_tokens=250.0)
    priors.create({("rtr_a", "m/one"): first, ("rtr_b", "m/one"): ArmPrior()}, NOW)
    priors.create({("rtr_a", "m/one"): ArmPrior(), ("rtr_a", "m/two"): ArmPrior()}, NOW)
    assert priors.of(["rtr_a"]) == {("rtr_a", "m/one"): first, ("rtr_a", "m/two"): ArmPrior()}
    assert priors.of(None).keys() == {("rtr_a", "m/one"), ("rtr_a", "m/two"), ("rtr_b", "m/one")}
