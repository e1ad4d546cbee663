"""Feedback over HTTP: each rule of the contract."""

import time
from dataclasses import asdict
from typing import Any

import httpx
import pytest

from bandit.types import Epoch
from gateway.ids import new_id
from gateway.maintenance import heartbeat
from gateway.maintenance.heartbeat import LONGEST_REQUEST_SECONDS
from storage.stores.refused import RefusedRecords
from storage.stores.replicas import Replica, Replicas
from storage.tables import replicas
from tests.support.gateway import Running
from tests.support.records import RecordMaker
from tests.support.waiting import wait_until

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def answered(running: Running, router_id: str = "rtr_good", key: str = "routing") -> str:
    client = running.client(router_id, key)
    return client.chat.completions.create(model="dari/routing", messages=MESSAGES).id


def send(running: Running, key: str = "routing", **body: Any) -> httpx.Response:
    with running.http(key) as http:
        return http.post("/feedback", json=body)


def test_a_score_is_recorded_updated_and_counted_once(running: Running) -> None:
    completion_id = answered(running)
    first = send(running, completion_id=completion_id, score=0.9, comment="fine", metadata={"ticket": 42})
    assert first.status_code == 200, first.text
    receipt = first.json()
    assert set(receipt) == {"id", "object", "completion_id", "router_id", "model", "source", "score", "status"}
    assert receipt["id"].startswith("fbk_")
    assert (receipt["object"], receipt["status"], receipt["source"]) == ("feedback", "recorded", "user")
    assert (receipt["completion_id"], receipt["router_id"]) == (completion_id, "rtr_good")
    assert send(running, completion_id=completion_id, score=0.9).json()["status"] == "unchanged"
    changed = send(running, completion_id=completion_id.removeprefix("chatcmpl-"), thumb="down").json()
    assert (changed["status"], changed["score"]) == ("updated", 0.0)


def test_a_completion_takes_eight_sources(running: Running) -> None:
    completion_id = answered(running)
    for number in range(8):
        assert send(running, completion_id=completion_id, score=1, source=f"judge-{number}").status_code == 200
    ninth = send(running, completion_id=completion_id, score=1, source="judge-9")
    assert (ninth.status_code, ninth.json()["error"]["param"]) == (400, "source")


def test_the_201st_correction_is_refused_and_not_to_be_tried_again(running: Running) -> None:
    completion_id = answered(running)
    wishes = [{"completion_id": completion_id, "score": number / 1_000} for number in range(201)]
    assert send(running, feedback=wishes).status_code == 200
    refused = send(running, completion_id=completion_id, score=0.9)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_corrections")
    assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({}, "score", "invalid_request"),
        ({"score": 0.5, "thumb": "up"}, "score", "invalid_request"),
        ({"score": 1.01}, "score", "invalid_request"),
        ({"score": -0.1}, "score", "invalid_request"),
        ({"score": "0.5"}, "score", "invalid_request"),
        ({"score": True}, "score", "invalid_request"),
        ({"thumb": "sideways"}, "thumb", "invalid_request"),
        ({"score": 1, "source": "x" * 33}, "source", "invalid_request"),
        ({"score": 1, "source": ""}, "source", "invalid_request"),
        ({"score": 1, "comment": 3}, "comment", "invalid_request"),
        ({"score": 1, "metadata": []}, "metadata", "invalid_request"),
        ({"score": 1, "scores": 2}, "scores", "unknown_parameter"),
        ({"score": 0.5, "scale": [1, 5]}, "score", "invalid_request"),
        ({"score": 5.01, "scale": [1, 5]}, "score", "invalid_request"),
        ({"score": 1, "scale": [1, 1]}, "scale", "invalid_request"),
        ({"score": 1, "scale": [0, 1e7]}, "scale", "invalid_request"),
        ({"score": 1, "scale": [0, 1, 2]}, "scale", "invalid_request"),
        ({"score": 1, "scale": [0, True]}, "scale[1]", "invalid_request"),
        ({"thumb": "up", "scale": [1, 5]}, "scale", "invalid_request"),
        ({"preferred": "req_" + "0" * 32}, "completion_id", "invalid_request"),
        ({"score": 1, "completion_id": 3}, "completion_id", "invalid_request"),
    ],
)
def test_wrong_fields_are_named(running: Running, fields: dict[str, Any], param: str, code: str) -> None:
    response = send(running, **({"completion_id": "chatcmpl-req_" + "0" * 32} | fields))
    assert response.status_code == 400
    assert (response.json()["error"]["param"], response.json()["error"]["code"]) == (param, code)


def test_bodies_that_are_no_feedback(running: Running) -> None:
    with running.http() as http:
        nan = http.post("/feedback", content=b'{"score": NaN}', headers={"content-type": "application/json"})
        assert (nan.status_code, nan.json()["error"]["code"]) == (400, "invalid_json")
        assert http.post("/feedback", content=b"{}").status_code == 415
        missing = http.post("/feedback", json={"score": 1})
        assert missing.json()["error"]["param"] == "completion_id"


def test_unknown_and_young_ids_differ(running: Running) -> None:
    old = send(running, completion_id="req_" + "0" * 32, score=1)
    assert (old.status_code, old.json()["error"]["code"]) == (404, "completion_not_found")
    assert send(running, completion_id="chatcmpl-other", score=1).status_code == 404
    young = send(running, completion_id=new_id("req", time.time()), score=1)
    assert (young.status_code, young.headers["retry-after"]) == (503, "1")


def test_not_found_is_final_only_if_no_replica_may_hold_the_completion(running: Running) -> None:
    """Another replica could not write for five minutes, and a score comes after two; or the database refused it."""
    now = time.time()
    recent, old = new_id("req", now - 120.0), new_id("req", now - 2 * LONGEST_REQUEST_SECONDS)

    def status(completion_id: str) -> int:
        return send(running, completion_id=completion_id, score=1).status_code

    assert status(recent) == 404
    other = Replica("rep_other", "elsewhere", 1, "1", "/it.", Epoch(now), Epoch(now), 0.0, spooling_since=now - 300.0)
    with running.gateway.database.write() as connection:
        connection.execute(replicas.insert().values(asdict(other)))
    wait_until(lambda: status(recent) == 503, "the other replica's spool is known to be used")
    refused = send(running, completion_id=recent, score=1)
    assert (refused.json()["error"]["code"], refused.headers["retry-after"]) == ("not_recorded_yet", "5")
    assert "x-should-retry" not in refused.headers
    assert send(running, feedback=[{"completion_id": recent, "score": 1}]).status_code == 503
    assert status(old) == 404
    Replicas(running.gateway.database).remove(other.id)
    wait_until(lambda: status(recent) == 404, "the other replica has stopped with an empty spool")
    aside = RefusedRecords(running.gateway.database)
    aside.put(RecordMaker().completion(completion_id=old), "it is not liked")
    wait_until(lambda: status(old) == 503, "its record is known to be kept aside")
    kept = send(running, completion_id=old, score=1)
    assert (kept.json()["error"]["code"], kept.headers["retry-after"]) == ("not_recorded_yet", "60")
    assert "bandit-gateway records" in kept.json()["error"]["message"]
    assert status(recent) == 404
    aside.remove(old)


def test_a_key_scores_its_own_completions_and_a_feedback_key_all(running: Running) -> None:
    completion_id = answered(running)
    assert send(running, "other", completion_id=completion_id, score=1).status_code in {404, 503}
    assert send(running, "feedback", completion_id=completion_id, score=1).status_code == 200
    assert send(running, "admin", completion_id=completion_id, score=1).status_code == 403
    assert send(running, "sk-none", completion_id=completion_id, score=1).status_code == 401


def test_a_call_without_an_answer_can_not_be_scored(running: Running) -> None:
    running.forget_cooldowns()
    with running.http() as http:
        failed = http.post("/rtr_500/chat/completions", json={"model": "dari/routing", "messages": MESSAGES})
    response = send(running, completion_id=failed.headers["x-request-id"], score=1)
    assert (response.status_code, response.json()["error"]["code"]) == (409, "no_answer_to_score")


def test_a_running_stream_can_not_be_scored_yet(running: Running) -> None:
    body = {"model": "dari/routing", "messages": MESSAGES, "stream": True}
    with running.http() as http, http.stream("POST", "/rtr_endless/chat/completions", json=body) as response:
        early = send(running, completion_id=response.headers["x-request-id"], score=1)
    assert (early.status_code, early.json()["error"]["code"]) == (409, "completion_in_progress")


def test_a_partial_answer_that_the_user_stopped_can_be_scored(running: Running) -> None:
    body = {"model": "dari/routing", "messages": MESSAGES, "stream": True}
    running.received.left.clear()
    with running.http() as http, http.stream("POST", "/rtr_endless/chat/completions", json=body) as response:
        completion_id = response.headers["x-request-id"]
        next(response.iter_bytes())
    wait_until(running.received.left.is_set, "the provider's call is closed")
    wait_until(
        lambda: send(running, completion_id=completion_id, score=0.2).status_code not in {409, 503},
        "the request is over and its score is taken or refused",
    )
    assert send(running, completion_id=completion_id, score=0.2).json()["status"] == "unchanged"


def test_a_list_is_one_transaction(running: Running) -> None:
    first, second = answered(running), answered(running)
    good = [{"completion_id": first, "score": 1}, {"completion_id": second, "score": 0}]
    broken = send(running, feedback=[*good, {"completion_id": "req_" + "0" * 32, "score": 1}])
    assert broken.status_code == 404
    assert broken.json()["error"]["param"] == "feedback[2].completion_id"
    wrong = send(running, feedback=[good[0], {"completion_id": second, "score": 7}])
    assert wrong.json()["error"]["param"] == "feedback[1].score"
    assert send(running, feedback=[]).status_code == 400
    whole = send(running, feedback=good).json()
    assert [item["status"] for item in whole["data"]] == ["recorded", "recorded"]


@pytest.mark.parametrize(
    ("score", "scale", "kept"), [(1, [1, 5], 0.0), (4, [1, 5], 0.75), (100, [0, 100], 1.0), (2, [6, 1], 0.8)]
)
def test_a_score_on_another_scale_is_mapped_from_its_worst_to_its_best(
    running: Running, score: float, scale: list[float], kept: float
) -> None:
    answer = send(running, completion_id=answered(running), score=score, scale=scale)
    assert (answer.status_code, answer.json().get("score")) == (200, pytest.approx(kept))


def test_a_pair_scores_both_completions_and_counts_once(running: Running) -> None:
    better, worse = answered(running), answered(running)
    first = send(running, preferred=better, rejected=worse, comment="shorter").json()
    assert (first["object"], first["source"], first["status"]) == ("feedback", "pair", "recorded")
    assert [(first[one]["completion_id"], first[one]["score"]) for one in ("preferred", "rejected")] == [
        (better, 1.0),
        (worse, 0.0),
    ]
    assert send(running, preferred=better, rejected=worse).json()["status"] == "unchanged"
    turned = send(running, preferred=worse, rejected=better).json()
    assert (turned["status"], turned["preferred"]["score"], turned["rejected"]["score"]) == ("updated", 1.0, 0.0)
    scored = send(running, completion_id=better, score=0.5).json()
    assert (scored["status"], scored["source"]) == ("recorded", "user")


def test_a_pair_is_recorded_whole_or_not_at_all(running: Running) -> None:
    known, unknown = answered(running), "req_" + "0" * 32
    lost = send(running, feedback=[{"completion_id": known, "score": 1}, {"preferred": known, "rejected": unknown}])
    assert (lost.status_code, lost.json()["error"]["param"]) == (404, "feedback[1].rejected")
    same = send(running, preferred=known, rejected=known)
    assert (same.status_code, same.json()["error"]["param"]) == (400, "rejected")
    half = send(running, preferred=known)
    assert (half.status_code, half.json()["error"]["param"]) == (400, "rejected")
    scored = send(running, preferred=known, rejected=answered(running), score=1)
    assert (scored.status_code, scored.json()["error"]["param"]) == (400, "score")
    mixed = send(
        running, feedback=[{"preferred": answered(running), "rejected": known}, {"completion_id": known, "thumb": "up"}]
    ).json()
    assert [item["status"] for item in mixed["data"]] == ["recorded", "recorded"]


def test_a_score_that_matches_nothing_is_found_by_the_operator(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "NOTED_SECONDS", 0.0)
    with running.http() as http:
        assert http.post("/feedback", json={"completion_id": "chatcmpl-made-up", "score": 1}).status_code == 404
    with running.http("admin") as http:

        def told() -> bool:
            findings = http.get("/admin/health").json()["findings"]
            return any(each["kind"] == "scores_unmatched" and "made-up" in each["text"] for each in findings)

        wait_until(told, "the next heartbeat has written it")
