"""The database goes away beneath a running gateway: what callers, operators and Prometheus are told, and recovery."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage.database import sqlite
from storage.stores.ledger import Ledger
from storage.writing.spool import Spool, spool_stem
from storage.writing.spool_file import Owner
from storage.writing.writer import Writer
from tests.support.gateway import Running, run_gateway
from tests.support.records import RecordMaker
from tests.support.scripted_provider import Received, scripted
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

REQUEST: Any = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}


@dataclass(frozen=True)
class Outage:
    """A gateway whose database somebody else can lock for longer than anybody waits."""

    running: Running
    folder: Path
    lock: sqlite3.Connection

    def begin(self) -> None:
        self.lock.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        if self.lock.in_transaction:
            self.lock.execute("ROLLBACK")


@pytest.fixture
def outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    received = Received()
    with serve_app(scripted(received)) as provider_url:
        text = f'database_url = "sqlite:///{tmp_path}/ledger.db"\n[providers.p]\nbase_url = "{provider_url}/v1"\n'
        text += '[models."p/good"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n'
        text += '[routers.rtr_a]\nmodels = ["p/good"]\n'
        with run_gateway(text, tmp_path) as running:
            lock = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
            outage = Outage(replace(running, received=received), tmp_path, lock)
            yield outage
            outage.end()
            lock.close()


def complete(http: httpx.Client) -> httpx.Response:
    return http.post("/rtr_a/chat/completions", json=REQUEST)


def complete_until_recorded(http: httpx.Client) -> list[httpx.Response]:
    """Complete until the ledger takes one: another writer of this process may lock it for longer than BUSY_SECONDS."""
    answers: list[httpx.Response] = []

    def is_recorded() -> bool:
        answers.append(complete(http))
        return "x-router-degraded" not in answers[-1].headers

    wait_until(is_recorded, "a completion is recorded in the database")
    wait_until(lambda: http.get("/readyz").json()["status"] == "ready", "nothing is left in the spool")
    return answers


def score(http: httpx.Client, answer: httpx.Response) -> httpx.Response:
    return http.post("/feedback", json={"completion_id": answer.json()["id"], "score": 1.0})


def test_answers_go_on_and_say_so_scores_are_refused_and_all_is_written_when_the_database_returns(
    outage: Outage,
) -> None:
    with outage.running.http() as http:
        before = complete_until_recorded(http)
        outage.begin()
        during = [complete(http) for _ in range(5)]
        assert {(each.status_code, each.headers.get("x-router-degraded")) for each in during} == {(200, "ledger")}
        for answer in (before[-1], during[0]):
            refused = score(http, answer)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
            assert int(refused.headers["retry-after"]) >= 1
        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["status"], ready.json()["problems"]) == (200, "degraded", [])
        assert "completions wait in the local spool" in ready.json()["notes"][0]
        metrics = http.get("/metrics").text
        assert 'bandit_gateway_ledger_state{state="spooling"} 1.0' in metrics
        assert "bandit_gateway_ledger_spooled 5.0" in metrics
        outage.end()
        wait_until(lambda: http.get("/readyz").json()["status"] == "ready", "the spool is written to the database")
        answers = [*before, *during, *complete_until_recorded(http)]
        assert {score(http, answer).status_code for answer in answers} == {200}
        asked = {f"chatcmpl-{row['completion_id']}" for row in Ledger(outage.running.gateway.database).export("rtr_a")}
        assert asked == {answer.json()["id"] for answer in answers}
        assert 'bandit_gateway_ledger_state{state="ok"} 1.0' in http.get("/metrics").text


def test_where_not_even_the_spool_can_be_written_requests_are_refused_before_a_provider_is_paid(
    outage: Outage,
) -> None:
    for number in range(3):
        (outage.folder / f"ledger.spool-{number}.lock").symlink_to(outage.folder / "missing" / "lock")
    with outage.running.http() as http:
        outage.begin()
        assert complete(http).json()["error"]["code"] == "ledger_unavailable"
        paid = len(outage.running.received.bodies["good"])
        refused = complete(http)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert len(outage.running.received.bodies["good"]) == paid
        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        assert 'bandit_gateway_ledger_state{state="full"} 1.0' in http.get("/metrics").text
        outage.end()
        wait_until(lambda: http.get("/readyz").status_code == 200, "the gateway is ready again")
        assert complete(http).status_code == 200


def test_a_spool_that_another_ledger_has_left_is_told_of_and_not_taken_up(outage: Outage, tmp_path: Path) -> None:
    url = outage.running.gateway.settings.database_url
    other = Owner("led_other", lambda key_ids: True)
    spool = Spool(spool_stem(url), other)
    making = RecordMaker()
    spool.append([making.completion() for _ in range(5)])
    spool.close()
    with run_gateway(f'database_url = "{url}"\n[routers.rtr_a]\nmodels = ["simulated/sage"]\n', tmp_path) as running:
        with running.http() as http:
            ready = http.get("/readyz").json()
        assert ready["status"] == "degraded"
        assert any("holds 5 completions of another ledger (led_other" in note for note in ready["notes"])
        assert list(Ledger(running.gateway.database).export("rtr_a")) == []
    heir = Spool(spool_stem(url), other)
    heir.adopt()
    assert heir.count == 5
    heir.close()


def test_a_gateway_whose_writer_has_ended_is_not_ready_and_asks_no_provider(
    outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "the ledger's writer has ended: restart the gateway, and report the error in the log"
    with outage.running.http() as http:
        monkeypatch.setattr(Writer, "_has_ended", property(lambda self: True, lambda self, value: None), raising=False)
        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["problems"]) == (503, [why])
        refused = complete(http)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
        assert not outage.running.received.bodies.get("good")
