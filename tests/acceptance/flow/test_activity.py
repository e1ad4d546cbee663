"""Activity over HTTP: what happened is told once, the same by time, by model and by key."""

import time
from typing import Any

import pytest

from tests.support.gateway import Running

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def test_overview_models_keys_and_the_ledger_have_the_same_sums(running: Running) -> None:
    for number in range(6):
        answer = running.client("rtr_counted").chat.completions.create(model="dari/routing", messages=MESSAGES)
        with running.http() as http:
            http.post("/feedback", json={"completion_id": answer.id, "score": number / 10})
    with running.http("admin") as http:

        def ask(what: str, **query: str) -> Any:
            answered = http.get(f"/admin/activity/{what}", params=query)
            assert answered.status_code == 200, answered.text
            return answered.json()

        overview = ask("overview", router_id="rtr_counted")
        summary = overview["summary"]
        assert (summary["requests"], summary["answered"], summary["scored"]) == (6, 6, 6)
        assert summary["mean_score"] == pytest.approx(0.25)
        assert 0.0 < summary["seconds"]["p50"] <= summary["seconds"]["p95"] <= summary["seconds"]["p99"]
        assert overview["previous"]["requests"] == 0
        models = ask("models", router_id="rtr_counted")["models"]
        for name in ("requests", "answered", "scored", "cost_usd", "prompt_tokens", "completion_tokens"):
            assert sum(each[name] for each in models) == pytest.approx(summary[name])
            assert sum(each[name] for each in overview["series"]) == pytest.approx(summary[name])
        assert sum(each["share"] for each in models) == pytest.approx(1.0)
        for seconds in ("300", "3600", "86400"):
            other = ask("overview", router_id="rtr_counted", bucket_seconds=seconds)["summary"]
            assert other.pop("seconds") == pytest.approx(summary["seconds"])
            assert other == pytest.approx({name: value for name, value in summary.items() if name != "seconds"})
        everything = ask("overview")["summary"]
        keys = ask("keys")["keys"]
        assert sum(each["requests"] for each in keys) == everything["requests"]
        assert sum(each["cost_usd"] for each in keys) == pytest.approx(everything["cost_usd"])
        of_one = ask("overview", router_id="rtr_counted", model=models[0]["model"])["summary"]
        assert of_one["requests"] == models[0]["requests"]
        assert ask("overview", router_id="rtr_counted", provider="nobody")["summary"]["requests"] == 0
        assert ask("overview", router_id="rtr_counted", task="chat")["summary"]["answered"] == 6
        options = ask("filter-options")
        assert ask("overview", router_id="rtr_counted", status=options["statuses"][0])["summary"]["requests"] == 6
        assert "rtr_counted" in {each["id"] for each in options["routers"]}
        assert {each["model"] for each in models} <= set(options["models"])


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ({"task": "code", "from": repr(time.time() - 90 * 86_400.0)}, 400, "task"),  # of all routers
        ({"bucket_seconds": "7"}, 400, "bucket_seconds"),
        ({"bucket_seconds": "60"}, 400, "bucket_seconds"),
        ({"status": "fine"}, 400, "status"),
        ({"from": "soon"}, 400, "from"),
        ({"router_id": "rtr_none"}, 404, None),
        ({"model": ["a\x00b", "c"]}, 400, "model.0"),
    ],
)
def test_wrong_questions_about_activity_are_refused_by_name(
    running: Running, query: dict[str, str | list[str]], status: int, param: str | None
) -> None:
    with running.http("admin") as http:
        answered = http.get("/admin/activity/overview", params=query)
    assert (answered.status_code, answered.json()["error"]["param"]) == (status, param)
    with running.http("routing") as http:
        assert http.get("/admin/activity/overview").status_code == 403
