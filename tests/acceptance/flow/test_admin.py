"""What operators can ask of the ledger over HTTP."""

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gateway.management.context import Management
from storage.records import RouterRecord
from tests.support.gateway import Running
from tests.support.waiting import wait_until

BODY = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def ask(running: Running, router_id: str = "rtr_good") -> str:
    return running.client(router_id).chat.completions.create(model="dari/routing", messages=MESSAGES).id


def test_a_decision_is_shown_whole_and_replays_identically(running: Running) -> None:
    answer = running.client().chat.completions.create(model="dari/routing", messages=MESSAGES)
    with running.http() as http:
        http.post("/feedback", json={"completion_id": answer.id, "score": 0.5, "metadata": {"ticket": 42}})
    with running.http("admin") as http:
        shown = http.get(f"/admin/decisions/{answer.id}").json()
        rows = http.get("/admin/decisions", params={"router_id": "rtr_good", "limit": 200}).json()["data"]
    assert shown["replay"] == {
        "identical": True,
        "model": answer.model,
        "largest_difference": 0.0,
        "drawn_again": True,
        "verdict": "replayed: identical",
    }
    assert (shown["model"], shown["drawn_model"], shown["status"]) == (answer.model, answer.model, "answered")
    assert [attempt["ending"] for attempt in shown["attempts"]] == ["complete"]
    (feedback,) = shown["feedback"]
    assert (feedback["score"], feedback["api_key_label"], feedback["metadata"]) == (0.5, "routing", {"ticket": 42})
    outcome, score = shown["learned"]
    assert outcome["what"].startswith("that it answered, how")
    assert score == {"at": feedback["at"], "model": answer.model, "what": "a score of 0.5 from user"}
    assert abs(sum(candidate["probability"] for candidate in shown["candidates"]) - 1.0) < 1e-9
    drawn = next(each for each in shown["candidates"] if each["model"] == answer.model)
    assert drawn["probability"] == shown["probability"]
    best = max(each["worth_usd"]["mean"] for each in shown["candidates"])
    assert shown["explored"] or drawn["worth_usd"]["mean"] == best
    assert "secret" not in str(shown)
    (row,) = [row for row in rows if row["id"] == answer.id]
    assert {name: shown[name] for name in row if name != "attempts"} == {
        name: value for name, value in row.items() if name != "attempts"
    }
    assert (row["score"], row["attempts"]) == (0.5, 1)
    told = {"status": "answered", "model_id": answer.model, "attempts": 1, "estimated": False}
    told |= {name: row[name] for name in ("seconds", "cost_usd", "prompt_tokens", "completion_tokens", "reason")}
    assert row["outcome"] == {**told, "http_status": 200, "error_code": None}, "as earlier versions told it"
    assert {arm["model_id"]: arm["p"] for arm in shown["choice"]["arms"]} == {
        each["model"]: each["probability"] for each in shown["candidates"]
    }


def test_content_is_for_administrators_alone(running: Running) -> None:
    with running.http("admin") as http:
        made = http.post("/admin/api-keys", json={"label": "auditor", "scopes": ["read"]}).json()
        http.patch("/admin/routers/rtr_second", json={"store_content": True}).raise_for_status()
        wait_until(lambda: running.gateway.routers["rtr_second"].options.store_content, "content is stored")
        answered = ask(running, "rtr_second")
        http.patch("/admin/routers/rtr_second", json={"store_content": None}).raise_for_status()
        content = http.get(f"/admin/decisions/{answered}").json()["content"]
        assert json.loads(content["request"])["messages"] == MESSAGES
        assert "choices" in json.loads(content["answer"])
    wait_until(lambda: not running.gateway.routers["rtr_second"].options.store_content, "no content is stored")
    with running.http(made["secret"]) as http:
        wait_until(lambda: http.get("/admin/decisions").status_code == 200, "the key works")
        assert http.get(f"/admin/decisions/{answered}").json()["content"] is None


def test_decisions_are_listed_page_by_page(running: Running) -> None:
    made = {ask(running, "rtr_second") for _ in range(5)}
    with running.http("admin") as http:
        for query in ({"router_id": "rtr_second"}, {"model": "p/good-a"}, {}):
            seen: list[str] = []
            more: dict[str, str] | None = {}
            while more is not None:
                page = http.get("/admin/decisions", params={**query, **more, "limit": "20"}).json()
                seen += [entry["id"] for entry in page["data"]]
                more = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
            assert len(seen) == len(set(seen))
            assert made <= set(seen)


def test_decisions_are_filtered_by_what_they_are(running: Running) -> None:
    before = time.time()
    with running.http("other") as http:
        assert http.post("/rtr_500/chat/completions", json=BODY).status_code == 502
    with running.http("admin") as http:
        keys = {key["label"]: key["id"] for key in http.get("/admin/api-keys").json()["data"]}

        def found(**query: Any) -> list[dict[str, Any]]:
            page = http.get("/admin/decisions", params={"from": before, **query})
            assert page.status_code == 200, page.text
            rows: list[dict[str, Any]] = page.json()["data"]
            return rows

        (row,) = found(status="failed", api_key_id=keys["other"])
        assert (row["router_id"], row["http_status"], row["error_code"]) == ("rtr_500", 502, "all_models_failed")
        assert (row["model"], row["attempts"], row["score"]) == (None, 2, None)
        assert found(status=["failed", "partial"], router_id="rtr_500")[0]["id"] == row["id"]
        assert found(api_key_id=keys["other"], status="answered") == []
        assert found(api_key_id=keys["other"], score_max=1) == []
        later = datetime.fromtimestamp(row["at"] + 1, UTC).isoformat()
        assert found(**{"from": later}) == []
        assert row["id"] in {each["id"] for each in found(to=later)}


def test_the_turns_of_a_conversation_are_found_together(running: Running) -> None:
    client = running.client("rtr_second")
    turns = [*MESSAGES, {"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "And then?"}]
    ids = [
        client.chat.completions.create(model="dari/routing", messages=messages, user=user).id
        for messages, user in ((MESSAGES, "mia"), (turns, "mia"), (MESSAGES, "ali"))
    ]
    alone = ask(running, "rtr_second")
    with running.http("admin") as http:
        shown = [http.get(f"/admin/decisions/{each}").json()["conversation"] for each in (*ids, alone)]
        found = http.get("/admin/decisions", params={"conversation": shown[0], "router_id": "rtr_second"}).json()[
            "data"
        ]
        refused = http.get("/admin/decisions", params={"conversation": "mia"})
    assert shown[0] == shown[1] != shown[2]
    assert shown[3] is None
    assert [each["id"] for each in found] == [ids[1], ids[0]]
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "conversation")


def test_health_tells_of_the_process_that_serves(running: Running) -> None:
    with running.http("admin") as http:
        wait_until(lambda: http.get("/admin/health").json()["replicas"][0]["ledger"] == "ok", "its state is told")
        health = http.get("/admin/health").json()
    assert {finding["severity"] for finding in health["findings"]} <= {"error", "warning", "info"}
    assert all(finding["remedy"] for finding in health["findings"])


def test_wrong_questions_are_refused_by_name(running: Running) -> None:
    with running.http("admin") as http:
        assert http.get("/admin/decisions/req_none").status_code == 404
        for param, wrong in (
            ("limit", "0"),
            ("limit", "x"),
            ("cursor", "x"),
            ("cursor", "x" * 201),
            ("from", "yesterday"),
            ("to", "100000000001"),
            ("to", "nan"),
            ("to", "2026-11-25T00:00:00"),
            ("score_max", "2"),
            ("to", "-1"),
            ("status", "odd"),
            ("explored", "perhaps"),
        ):
            refused = http.get("/admin/decisions", params={param: wrong})
            assert refused.status_code == 400, (param, wrong)
            assert refused.json()["error"]["param"].split(".")[0] == param
    with running.http("routing") as http:
        assert http.get("/admin/decisions", params={"router_id": "rtr_good"}).status_code == 403


def test_prometheus_sees_requests_money_scores_and_the_ledger(running: Running) -> None:
    answer = running.client().chat.completions.create(model="dari/routing", messages=MESSAGES)
    with running.http() as http:
        http.post("/feedback", json={"completion_id": answer.id, "score": 0.5})
        text = http.get("/metrics").text
        assert f'bandit_gateway_responses_total{{code="",fault="none",model="{answer.model}",' in text
        assert 'bandit_gateway_overhead_seconds_count{router="rtr_good"}' in text
        assert f'bandit_gateway_attempts_total{{ending="complete",model="{answer.model}",router="rtr_good"}}' in text
        assert re.search(r'_feedback_total\{key="key_\w+",result="recorded",router="rtr_good"\} \d', text)
        assert 'bandit_gateway_ledger_state{state="ok"} 1.0' in text
        assert http.get("/metrics", headers={"host": "example.com"}).status_code == 403
    with running.http("admin") as http:
        assert http.get("/metrics", headers={"host": "example.com"}).status_code == 200


def test_another_policy_is_evaluated_from_the_log_alone(running: Running) -> None:
    client = running.client()
    with running.http() as http:
        for _ in range(120):
            answer = client.chat.completions.create(model="dari/routing", messages=MESSAGES)
            http.post("/feedback", json={"completion_id": answer.id, "score": 0.5}).raise_for_status()
    with running.http("admin") as http:
        asked = {"policy": "fixed:p/good-a", "days": "1"}
        said = evaluated(http, "evaluation", asked)
        low, high = (said["target"]["doubly_robust"]["quality"][bound] for bound in ("low", "high"))
        assert said["target"]["decisions"] >= 100
        assert 0.0 <= low <= high <= 1.0
        assert said["logged"]["doubly_robust"]["cost_usd"]["mean"] > 0.0
        assert said["difference"]["cost_usd"]["low"] <= said["difference"]["cost_usd"]["high"]
        assert said["shares"]["target"]["p/good-a"] == 1.0
        assert said["sampled"]["kind"] == "all"
        dearer = evaluated(http, "evaluation", {"quality_usd": "9", "exploration": "0.5"})
        assert dearer["objective"]["quality_usd"] == 9.0
        assert dearer["objective"]["second_usd"] == said["objective"]["second_usd"]
        curve = evaluated(http, "frontier", {"points": "3"})
        assert len(curve["points"]) == 3
        assert {each["model"] for each in curve["fixed"]} == said["shares"]["target"].keys()


def test_a_question_to_an_analyst_that_runs_reads_no_database_in_the_gateway_and_errors_are_as_before(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/admin/routers/rtr_good/evaluation"
    with running.http("admin") as http:
        known = evaluated(http, "evaluation", {"days": "1"})
        with monkeypatch.context() as patched:
            patched.setattr(Management, "existing_router", _unreachable)
            answer = http.get(path, params={"days": "1"})
            assert (answer.status_code, answer.json()) == (200, known)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-request-id"].startswith("req_")
        refused = http.get(path, params={"policy": "astrology"}).json()["error"]
        assert (refused["type"], refused["param"]) == ("invalid_request_error", "policy")
        told = http.get("/admin/routers/rtr_nobody/evaluation").json()["error"]
        assert told["code"] == "router_not_found"
        assert "there are rtr_" in told["message"]
        assert http.post(path).status_code == 405
        metrics = http.get("/metrics").text
        assert 'route="/admin/routers/{router_id}/evaluation"' in metrics
    with running.http("second") as http:
        assert http.get(path).status_code == 403
    with running.http(None) as http:
        assert http.get(path).json()["error"]["code"] == "invalid_api_key"


def _unreachable(management: Management, router_id: str) -> RouterRecord:
    raise AssertionError(f"{router_id} is read")


def evaluated(http: httpx.Client, what: str, asked: dict[str, str]) -> dict[str, Any]:
    """The answer; while the log is read, each answer says how far that is, and when to ask again."""
    told: list[httpx.Response] = []

    def is_there() -> bool:
        told.append(http.get(f"/admin/routers/rtr_good/{what}", params=asked))
        assert told[-1].status_code in {200, 202}, told[-1].text
        if told[-1].status_code == 202:
            assert told[-1].headers["retry-after"] == "1"
            assert 0.0 <= told[-1].json()["progress"] <= 1.0
        return told[-1].status_code == 200

    wait_until(is_there, f"the {what} is there", 60)
    found: dict[str, Any] = told[-1].json()
    return found


def test_evaluations_that_make_no_sense_are_refused_by_name(running: Running) -> None:
    with running.http("admin") as http:
        for asked, param in (
            ({"policy": "astrology"}, "policy"),
            ({"models": "p/good-a,p/nobody"}, "models"),
            ({"days": "0"}, "days"),
            ({"exploration": "2"}, "exploration"),
            ({"second_usd": "nan"}, "second_usd"),
        ):
            response = http.get("/admin/routers/rtr_good/evaluation", params=asked)
            assert (response.status_code, response.json()["error"]["param"]) == (400, param)
        assert http.get("/admin/routers/rtr_nobody/evaluation").status_code == 404
    with running.http("routing") as http:
        assert http.get("/admin/routers/rtr_good/evaluation").status_code == 403
