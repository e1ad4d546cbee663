"""What an operator sees of models that rest, and how one is resumed."""

import time
from typing import Any

import httpx
import pytest

from storage.database.revisions import Topic
from storage.replication.changes import Changes, read_everything
from storage.stores.refused import RefusedRecords
from storage.stores.resumptions import Resumptions
from tests.acceptance.flow.ruled import BODY, Rule, Ruled, refusing, ruled
from tests.support.records import RecordMaker
from tests.support.waiting import wait_until

WRONG_KEY = refusing(401, "Incorrect API key provided", code="invalid_api_key")
OTHER = '[routers.rtr_other]\nmodels = ["p/b"]\n'


def readiness(gateway: Ruled) -> tuple[int, str, str]:
    """Status, word and everything that is said."""
    answer = gateway.http.get("/readyz")
    return answer.status_code, answer.json()["status"], answer.text


def resume(gateway: Ruled, model_id: str, key: str = "admin") -> httpx.Response:
    with gateway.running.http(key) as http:
        return http.post(f"/admin/models/{model_id}/resume")


def test_a_router_without_a_usable_model_degrades_the_gateway_and_all_of_them_make_it_unavailable() -> None:
    rules: dict[str, list[Rule]] = {"a": [WRONG_KEY], "b": []}
    with ruled(rules, router="max_attempts = 1", more=OTHER.replace("p/b", "p/a")) as gateway:
        gateway.ask()
        status, word, said = readiness(gateway)
        assert (status, word) == (200, "degraded")
        assert "router rtr_other has no usable model: p/a" in said
        assert "p/a: " in said
    with ruled({"a": [WRONG_KEY], "b": [WRONG_KEY]}, more=OTHER) as gateway:
        gateway.ask()
        status, word, said = readiness(gateway)
        assert (status, word) == (503, "unavailable")
        assert "router rtr_ruled has no usable model: p/a, p/b" in said


def test_a_rate_limit_makes_nothing_unavailable() -> None:
    limited = Rule(429, {"error": {"message": "slow down"}}, headers={"retry-after": "7"})
    with ruled({"a": [limited]}) as gateway:
        assert gateway.ask().status_code == 429
        assert readiness(gateway)[:2] == (200, "ready")


def test_a_parked_model_is_asked_again_as_soon_as_it_is_resumed() -> None:
    with ruled({"a": [WRONG_KEY], "b": []}) as gateway:
        assert gateway.tried(gateway.ask()) == ["a", "b"]
        assert gateway.tried(gateway.ask()) == ["b"]
        gateway.rules["a"].clear()
        answer = resume(gateway, "p/a")
        assert (answer.status_code, answer.json()) == (200, {"id": "p/a", "resumed": True})
        assert gateway.tried(gateway.ask()) == ["a"]
        assert readiness(gateway)[:2] == (200, "ready")


def test_a_model_is_resumed_in_every_process_on_the_database() -> None:
    with ruled({"a": [WRONG_KEY], "b": []}) as gateway:
        database = gateway.running.gateway.database
        assert gateway.tried(gateway.ask()) == ["a", "b"]
        gateway.rules["a"].clear()
        Resumptions(database).announce("p/a")  # as another process or the command line does
        wait_until(lambda: gateway.tried(gateway.ask()) == ["a"], "p/a is tried again")
        _, position = read_everything(database)
        looking = Changes(database, position=position)
        resume(gateway, "p/a")
        wait_until(lambda: resumed(looking) == {"p/a"}, "the other processes are told of it")
        looking.close()


def resumed(looking: Changes) -> frozenset[str]:
    """The models that another process finds resumed."""
    changed = looking.poll(str(time.monotonic()))
    return (changed.subjects.get(Topic.RESUMPTIONS) if changed else None) or frozenset()


def test_only_an_admin_resumes_and_only_what_there_is() -> None:
    with ruled({"a": []}) as gateway:
        assert resume(gateway, "p/a", "routing").status_code == 403
        answer = resume(gateway, "p/none")
        assert answer.status_code == 404
        error: dict[str, Any] = answer.json()["error"]
        assert error["code"] == "model_not_found"
        assert "p/none" in error["message"]
        assert gateway.http.post("/rtr_ruled/chat/completions", json=BODY).status_code == 200


def test_a_clock_that_differs_from_the_databases_degrades_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    with ruled({"a": []}) as gateway:
        assert readiness(gateway)[1] == "ready"
        clock = gateway.running.gateway.database.clock
        monkeypatch.setattr(clock, "_wall", lambda: time.time() + 86_400.0)
        wait_until(lambda: readiness(gateway)[1] == "degraded", "the clock was read again")
        assert "this machine's clock is 86,400 s ahead of the database's" in readiness(gateway)[2]
        monkeypatch.undo()
        wait_until(lambda: readiness(gateway)[1] == "ready", "the clock was set right")


def test_refused_records_degrade_the_gateway_and_are_counted() -> None:
    with ruled({"a": []}) as gateway:
        aside, record = RefusedRecords(gateway.running.gateway.database), RecordMaker().completion()
        aside.put(record, "no")
        wait_until(lambda: readiness(gateway)[1] == "degraded", "the refused record is known")
        assert "records that the database refused: 1; see `bandit-gateway records list`" in readiness(gateway)[2]
        with gateway.running.http("admin") as http:
            assert "\nbandit_gateway_ledger_refused 1.0\n" in http.get("/metrics").text
        aside.remove(record.decision.completion_id)
        wait_until(lambda: readiness(gateway)[1] == "ready", "no record is refused")
