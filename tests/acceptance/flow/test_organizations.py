"""The requests that Dari's command line sends with `--api-url`, and what it reads in the answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.gateway import Running

CURRENT = "/v1/organizations/current"
MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def ask(http: httpx.Client, method: str, path: str, status: int = 200, **given: Any) -> Any:
    answered = http.request(method, f"{CURRENT}/{path}", **given)
    assert answered.status_code == status, answered.text
    return answered.json()


def range_of(days: int) -> dict[str, str]:
    now = datetime.now(UTC)
    return {name: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for name, at in (("from", now - timedelta(days)), ("to", now))}


def test_routers_are_made_listed_updated_and_deleted(running: Running) -> None:
    with running.http("admin") as http:
        groups = ask(http, "GET", "routers/model-catalog")["groups"]
        defaults = {each["id"]: each["default_provider"] for group in groups for each in group["models"]}
        assert defaults["p/good-a"] == "p"
        body = {"name": "Production Router", "enabled_models": ["p/good-a", "p/good-b"], "routing_strategy": "slm"}
        sources = {"provider_key_sources": {"p": "managed"}, "model_providers": {"p/good-a": "p", "p/good-b": "p"}}
        made = ask(http, "POST", "routers", 201, json={**body, **sources})
        router_id, path = made["id"], f"routers/{made['id']}"
        assert made["endpoint"].endswith(f"/{router_id}/chat/completions")
        assert router_id in {each["id"] for each in ask(http, "GET", "routers")["routers"]}
        models = [{"id": "p/good-a", "min_share": 0.25}, "p/good-b"]
        assert http.patch(f"/admin/routers/{router_id}", json={"models": models}).status_code == 200
        current = ask(http, "GET", path)
        assert (current["routing_strategy"], current["evals"], current["enabled_models"]) == (
            "slm",
            [],
            ["p/good-a", "p/good-b"],
        )
        renamed = ask(http, "PUT", path, json={"name": "Renamed", "enabled_models": current["enabled_models"]})
        assert renamed["name"] == "Renamed"
        assert http.get(f"/admin/routers/{router_id}").json()["models"][0]["min_share"] == 0.25, (
            "a name changes no share"
        )
        assert ask(http, "PUT", path, json={"name": "One", "enabled_models": ["p/good-b"]})["enabled_models"] == [
            "p/good-b"
        ]
        assert ask(http, "DELETE", path)["id"] == router_id
        ask(http, "GET", path, 404)


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ({"provider_keys": {"p": "sk-secret"}}, "provider_keys"),
        ({"provider_key_sources": {"p": "user"}}, "provider_key_sources.p"),
        ({"routing_strategy": "heuristic"}, "routing_strategy"),
        ({"model_providers": {"p/good-a": "openrouter"}}, "model_providers"),
    ],
)
def test_what_this_gateway_has_not_is_refused_by_name(running: Running, field: dict[str, Any], param: str) -> None:
    body = {"name": "A", "enabled_models": ["p/good-a"], **field}
    with running.http("admin") as http:
        assert ask(http, "POST", "routers", 400, json=body)["error"]["param"] == param


def test_evals_and_api_keys_are_made_and_listed(running: Running) -> None:
    scores = [{"model_id": "p/good-a", "score": 87.5, "notes": "Strong"}, {"model_id": "p/good-b", "score": 40}]
    body = {"name": "Verified", "description": None, "min_score": 0, "max_score": 100, "scores": scores}
    with running.http("admin") as http:
        made = ask(http, "POST", "evals", 201, json=body)
        assert [(each["model_id"], each["score"]) for each in made["scores"]] == [
            ("p/good-a", 87.5),
            ("p/good-b", 40.0),
        ]
        assert ask(http, "GET", f"evals/{made['id']}")["scores"][0]["notes"] == "Strong"
        assert made["id"] in {each["id"] for each in ask(http, "GET", "evals")["evals"]}
        assert http.delete(f"/admin/evals/{made['id']}").status_code == 204
        key = ask(http, "POST", "api-keys", 201, json={"label": "Router client", "key_type": "routing"})
        assert (key["label"], key["key_type"], key["api_key"][:6]) == ("Router client", "routing", "sk-bg-")
        listed = {each["id"]: each for each in ask(http, "GET", "api-keys")["api_keys"]}
        assert listed[key["id"]]["api_key"] is None
        assert ask(http, "DELETE", f"api-keys/{key['id']}")["revoked_at"].endswith("Z")


def test_activity_is_told_with_dollars_as_decimal_strings(running: Running) -> None:
    running.client("rtr_good").chat.completions.create(model="dari/routing", messages=MESSAGES)
    with running.http("admin") as http:
        options = ask(http, "GET", "routing/activity/filter-options", params=range_of(1))
        assert {"users", "api_keys", "routers", "models", "providers"} == options.keys()
        query: dict[str, Any] = {**range_of(1), "router_id": "rtr_good", "model": ["p/good-a", "p/good-b"]}
        overview = ask(http, "GET", "routing/activity/overview", params={**query, "bucket_seconds": "900"})
        models = ask(http, "GET", "routing/activity/models", params={**query, "status": "completed"})
        steps = sum(each["model_steps"] for each in overview["series"])
        assert steps == overview["summary"]["model_steps"] == models["summary"]["model_steps"] >= 1
        cost = sum(float(each["provider_cost_usd"]) for each in models["models"])
        assert cost == pytest.approx(float(overview["summary"]["provider_cost_usd"]))
        assert isinstance(models["models"][0]["provider_cost_per_step_usd"], str)
        assert models["transitions"] == []
        listing = {"identity_scope": "all", "sort_by": "spend", "sort_direction": "desc", "limit": "50", "offset": "0"}
        people = ask(http, "GET", "routing/activity/people-keys", params={**range_of(2), **listing})
        assert people["total"] == len(people["items"]) >= 1
        spend = [float(each["spend_usd"]) for each in people["items"]]
        assert spend == sorted(spend, reverse=True)
        for name in ("user_id", "api_key_id"):
            refused = ask(http, "GET", "routing/activity/models", 400, params={**query, name: "usr_123"})
            assert refused["error"]["param"] == name
    with running.http("routing") as http:
        ask(http, "GET", "routers", 403)
