"""The caller's own id of an episode, such as an agent's run: said in three ways, not forwarded, scored as a whole."""

import json
from typing import Any

import httpx
import pytest

from tests.acceptance.flow.test_feedback import send
from tests.support.gateway import Running

CHAT = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}


def ask(running: Running, key: str = "routing", headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    with running.http(key) as http:
        return http.post("/rtr_good/chat/completions", json=CHAT | fields, headers=headers or {})


def reached(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [completion["completion_id"] for completion in answer.json()["completions"]]


def test_an_episode_is_scored_however_its_completions_name_it(running: Running) -> None:
    named: list[dict[str, Any]] = [
        {"metadata": {"episode_id": "run-1", "team": "x"}},
        {"headers": {"x-router-episode": "run-1"}},
        {"routing": {"episode_id": "run-1"}},
        {"routing.episode_id": "run-1"},
    ]
    answers = [ask(running, **way) for way in named]
    assert {answer.status_code for answer in answers} == {200}
    sent = [body for bodies in running.received.bodies.values() for body in bodies]
    assert [body for body in sent if b"episode" in body or b"run-1" in body] == []
    assert any(json.loads(body).get("metadata") == {"team": "x"} for body in sent)
    told = send(running, episode_id="run-1", score=0.75, comment="done").json()
    assert set(told) == {"id", "object", "episode_id", "completions", "source", "score", "status"}
    assert (told["object"], told["episode_id"], told["score"], told["status"]) == (
        "feedback",
        "run-1",
        0.75,
        "recorded",
    )
    assert [each["completion_id"] for each in told["completions"]] == [answer.json()["id"] for answer in answers]
    assert {each["router_id"] for each in told["completions"]} == {"rtr_good"}
    assert send(running, episode_id="run-1", score=0.75).json()["status"] == "unchanged"
    answers.append(ask(running, headers={"x-router-episode": "run-1"}))
    assert send(running, episode_id="run-1", score=0.75).json()["status"] == "updated"
    assert reached(send(running, episode_id="run-1", thumb="up")) == [answer.json()["id"] for answer in answers]


def test_an_episode_of_responses_and_streams_is_one_with_the_others(running: Running) -> None:
    with running.http() as http:
        response = http.post(
            "/rtr_good/responses",
            json={"model": "dari/routing", "input": "Hi", "metadata": {"episode_id": "run-2"}},
        )
        assert response.json()["metadata"] == {"episode_id": "run-2"}
        ask(running, stream=True, headers={"x-router-episode": "run-2"})
    found = reached(send(running, episode_id="run-2", score=1))
    assert len(found) == 2
    assert found[0].removeprefix("chatcmpl-") == response.json()["id"].removeprefix("resp_")


def test_a_field_wins_over_the_header(running: Running) -> None:
    answer = ask(running, metadata={"episode_id": "field"}, headers={"x-router-episode": "header"})
    assert reached(send(running, episode_id="field", score=1)) == [answer.json()["id"]]
    assert send(running, episode_id="header", score=1).json()["error"]["code"] == "episode_not_found"


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"metadata": {"episode_id": "x" * 129}}, "metadata.episode_id"),
        ({"metadata": {"episode_id": ""}}, "metadata.episode_id"),
        ({"metadata": {"episode_id": 7}}, "metadata.episode_id"),
        ({"routing": {"episode_id": 7}}, "routing.episode_id"),
        ({"routing": {"episode_id": "x" * 129}}, "routing.episode_id"),
        ({"headers": {"x-router-episode": "x" * 129}}, "x-router-episode"),
        ({"headers": {"x-router-episode": ""}}, "x-router-episode"),
    ],
)
def test_an_id_that_is_none_is_refused_by_its_name(said: dict[str, Any], param: str, running: Running) -> None:
    answer = ask(running, **said)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_hundred_and_twenty_eight_characters_of_any_kind_are_an_id(running: Running) -> None:
    name = "ä😀\x00" * 42 + "xy"
    answer = ask(running, metadata={"episode_id": name})
    assert reached(send(running, episode_id=name, score=1)) == [answer.json()["id"]]


@pytest.mark.parametrize("key", ["other", "feedback"])
def test_another_key_s_episode_is_not_found(key: str, running: Running) -> None:
    ask(running, headers={"x-router-episode": "mine"})
    answer = send(running, key, episode_id="mine", score=1)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "episode_not_found", "episode_id")
    assert answer.headers["x-should-retry"] == "false"


def test_feedback_names_a_completion_or_an_episode(running: Running) -> None:
    for body in ({"score": 1}, {"score": 1, "episode_id": "a", "completion_id": "req_" + "0" * 32}):
        answer = send(running, **body)
        assert answer.status_code == 400
        assert "exactly one of `completion_id` and `episode_id`" in answer.json()["error"]["message"]
    too_long = send(running, score=1, episode_id="x" * 129)
    assert (too_long.status_code, too_long.json()["error"]["param"]) == (400, "episode_id")


def test_a_list_may_score_episodes_beside_completions(running: Running) -> None:
    run = [ask(running, headers={"x-router-episode": "run-3"}).json()["id"] for _ in range(2)]
    alone = ask(running).json()["id"]
    listed = [{"episode_id": "run-3", "score": 1}, {"completion_id": alone, "score": 0}]
    data = send(running, feedback=listed).json()["data"]
    assert [each["completion_id"] for each in data[0]["completions"]] == run
    assert data[1]["completion_id"] == alone
    wrong = send(running, feedback=[*listed, {"episode_id": "none", "score": 1}])
    assert wrong.json()["error"]["param"] == "feedback[2].episode_id"
