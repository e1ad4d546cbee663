"""What operators can ask of the ledger over HTTP."""

from typing import Any

from tests.support.gateway import Running

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def test_a_decision_is_shown_whole_and_replays_identically(running: Running) -> None:
    answer = running.client().chat.completions.create(model="dari/routing", messages=MESSAGES)
    with running.http() as http:
        http.post("/feedback", json={"completion_id": answer.id, "score": 0.5})
    with running.http("admin") as http:
        shown = http.get(f"/admin/decisions/{answer.id}").json()
    assert shown["replay"]["identical"]
    assert shown["replay"]["drawn_again"]
    assert shown["replay"]["verdict"] == "replayed: identical"
    assert shown["decision"]["model_id"] == answer.model
    assert shown["outcome"]["status"] == "answered"
    assert [attempt["ending"] for attempt in shown["attempts"]] == ["complete"]
    assert [feedback["score"] for feedback in shown["feedback"]] == [0.5]
    assert abs(sum(arm["p"] for arm in shown["choice"]["arms"]) - 1.0) < 1e-9
    assert "secret" not in str(shown)


def test_decisions_are_listed_page_by_page(running: Running) -> None:
    made = {
        running.client("rtr_second").chat.completions.create(model="dari/routing", messages=MESSAGES).id
        for _ in range(5)
    }
    with running.http("admin") as http:
        seen: list[str] = []
        cursor = None
        while True:
            query = {"router_id": "rtr_second", "limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = http.get("/admin/decisions", params=query).json()
            seen += [entry["id"] for entry in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert len(seen) == len(set(seen))
    assert made <= set(seen)


def test_wrong_questions_are_refused_by_name(running: Running) -> None:
    with running.http("admin") as http:
        assert http.get("/admin/decisions/req_none").status_code == 404
        assert (
            http.get("/admin/decisions", params={"router_id": "rtr_good", "limit": 0}).json()["error"]["param"]
            == "limit"
        )
        assert (
            http.get("/admin/decisions", params={"router_id": "rtr_good", "limit": "x"}).json()["error"]["param"]
            == "limit"
        )
        assert (
            http.get("/admin/decisions", params={"router_id": "rtr_good", "cursor": "x"}).json()["error"]["param"]
            == "cursor"
        )
        assert http.get("/admin/decisions").json()["error"]["param"] == "router_id"
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
        assert 'bandit_gateway_feedback_total{result="recorded",router="rtr_good"}' in text
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
        said = http.get("/admin/routers/rtr_good/evaluation", params=asked).json()
        low, high = (said["target"]["doubly_robust"]["quality"][bound] for bound in ("low", "high"))
        assert said["target"]["decisions"] >= 100
        assert 0.0 <= low <= high <= 1.0
        assert said["logged"]["doubly_robust"]["cost_usd"]["mean"] > 0.0


def test_evaluations_that_make_no_sense_are_refused_by_name(running: Running) -> None:
    with running.http("admin") as http:
        for asked, param in (
            ({"policy": "astrology"}, "policy"),
            ({"models": "p/good-a,p/nobody"}, "models"),
            ({"days": "0"}, "days"),
        ):
            response = http.get("/admin/routers/rtr_good/evaluation", params=asked)
            assert (response.status_code, response.json()["error"]["param"]) == (400, param)
        assert http.get("/admin/routers/rtr_nobody/evaluation").status_code == 404
    with running.http("routing") as http:
        assert http.get("/admin/routers/rtr_good/evaluation").status_code == 403
