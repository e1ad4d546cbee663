"""A router over variants of models: what their providers are sent, what callers see, and what is kept."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import Running, run_gateway
from tests.support.scripted_provider import Received, scripted
from tests.support.threads import serve_app

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
ASK: dict[str, Any] = {"model": "dari/routing", "messages": MESSAGES}
PRICE = "input_usd_per_million = 1.0\noutput_usd_per_million = 2.0\ncontext_window = 100000\n"
LOW, HIGH = "p/good-a@low", "p/good-a@high"
PRIORITY = ("p/good-a@low+priority", "p/good-a@high+priority")
ENTRIES = (
    '{ id = "p/good-a", thinking = ["low", "high"], tiers = ["default", "priority"] }',
    '{ id = "p/good-b", params = { temperature = 0.2, seed = 7 }, as = "careful" }',
)


def configuration(provider_url: str, directory: Path) -> str:
    models = ", ".join(ENTRIES)
    return (
        f'database_url = "sqlite:///{directory / "ledger.db"}"\n[providers.p]\nbase_url = "{provider_url}/v1"\n'
        f'[models."p/good-a"]\n{PRICE}thinking = ["off", "low", "high"]\n'
        f'[models."p/good-a".service_tiers]\npriority = 2.5\n[models."p/good-b"]\n{PRICE}[models."p/status-500"]\n'
        f'{PRICE}thinking = ["low", "high"]\n'
        f'[routers.rtr_all]\npolicy = "uniform"\nmodels = [{models}]\n'
        f'[routers.rtr_mixed]\npolicy = "uniform"\nmodels = ["p/good-b", {models}]\n'
        f'[routers.rtr_plain]\npolicy = "fixed:p/good-b"\nmodels = ["p/good-b", {models}]\n'
        f'[routers.rtr_priority]\npolicy = "fixed:{PRIORITY[0]}"\nmodels = [{models}]\n'
        '[routers.rtr_failing]\npolicy = "fixed:p/status-500@low"\n'
        'models = [{ id = "p/status-500", thinking = ["low", "high"] }, "p/good-b"]\n'
        '[routers.rtr_levels]\nmodels = [{ id = "p/good-a", thinking = ["low", "high"] }]\n'
        f"[routers.rtr_changed]\nmodels = [{models}]\n"
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory, received = tmp_path_factory.mktemp("variants"), Received()
    with (
        serve_app(scripted(received)) as provider_url,
        run_gateway(configuration(provider_url, directory), directory) as gateway,
    ):
        yield replace(gateway, received=received)


def ask(running: Running, router_id: str, **fields: Any) -> httpx.Response:
    with running.http() as http:
        return http.post(f"/{router_id}/chat/completions", json=ASK | fields)


def sent(running: Running, model: str = "good-a") -> dict[str, Any]:
    body: dict[str, Any] = json.loads(running.received.bodies[model][-1])
    return body


def decision_of(running: Running, answer: httpx.Response) -> dict[str, Any]:
    with running.http("admin") as http:
        found: dict[str, Any] = http.get(f"/admin/decisions/{answer.json()['id']}").json()
        return found


def test_a_variant_sends_its_settings_and_is_named_wherever_the_arm_is_meant(running: Running) -> None:
    answer = ask(running, "rtr_priority", user="u")
    body = sent(running)
    assert (body["reasoning_effort"], body["service_tier"], body["user"]) == ("low", "priority", "u")
    told = answer.json()
    assert told["model"] == told["dari_routing"]["selected_model"] == "p/good-a"
    assert answer.headers["x-router-selected-model"] == "p/good-a"
    assert answer.headers["x-router-variant"] == PRIORITY[0]
    assert PRIORITY[0] in told["dari_routing"]["reason"]
    assert float(answer.headers["x-router-cost-usd"]) == pytest.approx(2.5 * (10 * 1e-6 + 5 * 2e-6))
    decision = decision_of(running, answer)
    assert decision["drawn_model"] == decision["model"] == PRIORITY[0]
    assert [attempt["model"] for attempt in decision["attempts"]] == [PRIORITY[0]]
    with running.http("admin") as http:
        metrics = http.get("/metrics").text
    assert f'model="{PRIORITY[0]}"' in metrics
    assert 'bandit_gateway_model_state{model="p/good-a"' in metrics


def test_a_model_as_it_is_has_no_variant_and_sends_nothing_of_its_own(running: Running) -> None:
    answer = ask(running, "rtr_plain", temperature=0.7)
    assert answer.json()["model"] == "p/good-b"
    assert "x-router-variant" not in answer.headers
    assert sent(running, "good-b").keys() == {"model", "messages", "temperature"}


def test_what_the_caller_says_of_thinking_and_tier_leaves_only_arms_that_agree(running: Running) -> None:
    answer = ask(running, "rtr_all", reasoning_effort="high", service_tier="auto")
    decision = decision_of(running, answer)
    assert {arm["model"] for arm in decision["candidates"]} == {HIGH, "p/good-b@careful"}
    left_out = {each["model"]: each["why"] for each in decision["left_out"]}
    assert left_out[LOW] == "is for thinking low, and the request says high"
    assert left_out[PRIORITY[1]] == "is for the tier priority, and the request says default"
    only = ask(running, "rtr_all", service_tier="priority", reasoning_effort="low", temperature=0.9)
    assert {arm["model"] for arm in decision_of(running, only)["candidates"]} == {PRIORITY[0], LOW}
    assert sent(running)["service_tier"] == "priority"


def test_a_request_that_no_variant_agrees_with_is_told_why(running: Running) -> None:
    answer = ask(running, "rtr_levels", reasoning_effort="medium")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "no_capable_model"
    assert f"{LOW} is for thinking low, and the request says medium" in error["message"]


def test_a_parameter_that_the_caller_sets_otherwise_is_kept(running: Running) -> None:
    answer = ask(running, "rtr_mixed", reasoning_effort="off", service_tier="flex", temperature=0.9)
    assert answer.headers.get("x-router-variant") is None  # `careful` sets another temperature than the request
    assert sent(running, "good-b")["temperature"] == 0.9
    same = ask(running, "rtr_all", reasoning_effort="off", service_tier="flex", temperature=0.9)
    assert same.headers["x-router-variant"] == "p/good-b@careful"
    body = sent(running, "good-b")
    assert (body["temperature"], body["seed"]) == (0.9, 7)


def test_after_a_failure_another_model_is_asked_before_another_variant_of_the_same(running: Running) -> None:
    answer = ask(running, "rtr_failing")
    assert answer.json()["model"] == "p/good-b"
    decision = decision_of(running, answer)
    assert [attempt["model"] for attempt in decision["attempts"]] == ["p/status-500@low", "p/good-b"]
    running.forget_cooldowns()


def test_streams_name_the_variant_too(running: Running) -> None:
    with running.http() as http:
        answer = http.post("/rtr_priority/chat/completions", json=ASK | {"stream": True})
    assert answer.headers["x-router-variant"] == PRIORITY[0]
    first = json.loads(answer.text.split("\n\n")[0].removeprefix("data: "))
    assert first["model"] == first["dari_routing"]["selected_model"] == "p/good-a"


def test_every_decision_among_variants_is_replayed(running: Running) -> None:
    answers, drawn = list[httpx.Response](), set[str]()
    while len(answers) < 20 or (not drawn > {LOW} and len(answers) < 500):
        answers.append(ask(running, "rtr_changed", stream=False))
        drawn.add(answers[-1].headers["x-router-variant"])
    assert drawn > {LOW}
    assert all(decision_of(running, answer)["replay"]["identical"] for answer in answers)


def test_a_router_with_variants_is_shown_and_taken_back_as_it_is(running: Running) -> None:
    with running.http("admin") as http:
        shown = http.get("/admin/routers/rtr_changed").json()
        assert set(shown["enabled_models"]) == {LOW, HIGH, *PRIORITY, "p/good-b@careful"}
        careful = shown["models"][-1]
        assert (careful["model"], careful["params"]) == ("p/good-b", {"seed": 7, "temperature": 0.2})
        again = http.patch("/admin/routers/rtr_changed", json={"models": shown["models"]}).json()
        assert again["models"] == shown["models"]
        same = http.patch("/admin/routers/rtr_changed", json={"models": shown["models"]}).json()
        assert same["revision"] == again["revision"]
        entry = {"id": "p/good-a", "thinking": ["default", "off"], "as": "quick"}
        made = http.post("/admin/routers", json={"id": "rtr_made", "models": [entry]})
        assert made.json()["enabled_models"] == ["p/good-a@quick", "p/good-a@quick+off"]
        wrong = http.patch("/admin/routers/rtr_made", json={"models": [{"id": "p/good-a", "thinking": ["max"]}]})
        assert wrong.status_code == 400
        assert 'p/good-a has no thinking "max"; it has "off", "low" or "high"' in wrong.json()["error"]["message"]
        models = http.get("/admin/routers/rtr_changed/stats").json()["models"]
        assert {model["id"] for model in models} == set(shown["enabled_models"])
    with running.http() as http:
        listed = http.get("/rtr_changed/models").json()["data"]
    assert [model["id"] for model in listed] == ["dari/routing", "p/good-a", "p/good-b"]


def test_levels_fast_modes_and_rules_have_the_shapes_of_daris_api(running: Running) -> None:
    path = "/v1/organizations/current/routers"
    body: dict[str, Any] = {
        "name": "Levels",
        "enabled_models": ["p/good-a", "p/good-b"],
        "model_thinking_levels": {"p/good-a": ["low", "high"]},
        "fast_models": ["p/good-a"],
        "routing_strategy": "custom",
        "custom_config": {"rules": [{"when": "code review", "use": PRIORITY[1]}], "default": "p/good-b"},
    }
    with running.http("admin") as http:
        made = http.post(path, json=body)
        assert made.status_code == 201, made.text
        told = made.json()
        assert told["enabled_models"] == body["enabled_models"]
        assert told["model_thinking_levels"] == body["model_thinking_levels"]
        assert told["fast_models"] == body["fast_models"]
        assert told["custom_config"]["rules"][0]["use"] == PRIORITY[1]
        shown = http.get(f"/admin/routers/{told['id']}").json()
        assert set(shown["enabled_models"]) == {*PRIORITY, "p/good-b"}
        models = [{**each, "max_share": 0.5} for each in shown["models"]]
        http.patch(f"/admin/routers/{told['id']}", json={"models": models}).raise_for_status()
        again = http.put(f"{path}/{told['id']}", json=body).json()
        assert {name: again[name] for name in ("model_thinking_levels", "fast_models")} == {
            name: told[name] for name in ("model_thinking_levels", "fast_models")
        }
        shares = {each["max_share"] for each in http.get(f"/admin/routers/{told['id']}").json()["models"]}
        assert shares == {0.5}
        plain = http.put(
            f"{path}/{told['id']}", json={"name": "X", "enabled_models": ["p/good-a"], "custom_config": {}}
        )
        assert (plain.json()["model_thinking_levels"], plain.json()["fast_models"]) == ({}, [])
        for wrong, param in (
            ({"model_thinking_levels": {"p/other": "low"}}, "model_thinking_levels"),
            ({"fast_models": ["p/good-b"]}, "fast_models"),
            ({"custom_config": {"rule": []}}, "custom_config.rule"),
        ):
            refused = http.post(path, json={**body, **wrong})
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
