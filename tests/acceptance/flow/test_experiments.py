"""Experiments on a real server and both databases: who is assigned to what, and a replay of every decision."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from bandit.ope.estimates import Figure
from bandit.ope.targets import Proposal
from bandit.types import Epoch
from gateway.analyst.answers import evaluation
from gateway.analyst.log import RouterLog
from gateway.dashboard.formats import usd
from gateway.reports.explanation import explain
from storage.records import DecisionView
from storage.stores.first_draws import FirstDraws
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from tests.support.gateway import Running, run_gateway
from tests.support.scripted_provider import Received, scripted
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

REQUESTS = 500
"""Of each router, on each database: 2,000 in all."""
USERS = 60
CONNECTIONS = 16
COST_USD = (10 * 5.0 + 5 * 25.0) / 1e6
"""Of each answer of p/good-2."""
CONFIGURATION = """
database_url = "{url}"
[providers.p]
base_url = "{provider_url}/v1"
[models."p/good"]
input_usd_per_million = 1.0
output_usd_per_million = 2.0
[models."p/good-2"]
input_usd_per_million = 5.0
output_usd_per_million = 25.0
[models."p/status-500"]
input_usd_per_million = 0.1
output_usd_per_million = 0.2
[routers.rtr_users]
models = ["p/good", "p/good-2", "p/status-500"]
policies = [{{ policy = "thompson", share = 0.6 }}, {{ policy = "fixed:p/good-2", share = 0.4 }}]
[routers.rtr_requests]
models = ["p/good", "p/good-2", "p/status-500"]
policies = [
    {{ policy = "thompson", share = 0.6 }},
    {{ policy = "uniform", share = 0.1 }},
    {{ policy = "fixed:p/good-2", share = 0.3 }},
]
experiment_unit = "request"
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that has answered `REQUESTS` of either router."""
    directory: Path = tmp_path_factory.mktemp("experiments")
    url = f"sqlite:///{directory}/ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("migrated_url")
    with (
        serve_app(scripted(Received())) as provider_url,
        run_gateway(CONFIGURATION.format(url=url, provider_url=provider_url), directory) as running,
    ):
        statuses = asyncio.run(ask_all(running))
        assert statuses == {200: 2 * REQUESTS}
        yield running


async def ask_all(running: Running) -> Counter[int]:
    statuses, left = Counter[int](), list(range(2 * REQUESTS))

    async def ask_on(session: aiohttp.ClientSession) -> None:
        while left:
            number = left.pop()
            router_id = "rtr_users" if number % 2 else "rtr_requests"
            body: dict[str, Any] = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
            body |= {"user": f"u{number % USERS}"} if number % 10 else {}
            async with session.post(f"{running.url}/{router_id}/chat/completions", json=body) as answer:
                await answer.read()
                statuses[answer.status] += 1

    headers = {"Authorization": f"Bearer {running.keys['routing']}"}
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(ask_on(session))
    return statuses


def views(running: Running, router_id: str) -> Sequence[DecisionView]:
    ledger, cursor = Ledger(running.gateway.database), None
    found: list[DecisionView] = []
    while len(found) < REQUESTS:
        page = ledger.decisions(router_id, cursor, 200)
        found += page.views
        cursor = page.cursor
        if cursor is None:
            break
    return found


@pytest.mark.parametrize("router_id", ["rtr_users", "rtr_requests"])
def test_every_decision_of_an_experiment_replays_identically(asked: Running, router_id: str) -> None:
    record = Routers(asked.gateway.database).get(router_id)
    assert record is not None
    found = views(asked, router_id)
    assert Counter(explain(view, record.secret).verdict for view in found) == {"replayed: identical": REQUESTS}
    one = found[0].decision.completion_id
    with asked.http("admin") as client:
        shown = client.get(f"/admin/decisions/{one}").json()
    assert shown["replay"]["verdict"] == "replayed: identical"
    assert shown["policy"] == found[0].decision.policy


def test_a_user_keeps_the_policy_and_whoever_names_none_has_that_of_the_key(asked: Running) -> None:
    found = views(asked, "rtr_users")
    by_unit: dict[float | None, set[str]] = defaultdict(set)
    for view in found:
        by_unit[view.decision.assignment].add(view.decision.policy)
    assert all(len(policies) == 1 for policies in by_unit.values())
    # Of 60 users the odd numbers come to this router, those that end with 0 never; and the key.
    assert len(by_unit) == USERS // 2
    assert {policy for policies in by_unit.values() for policy in policies} == {"thompson", "fixed:p/good-2"}
    for view in found:
        certain = view.decision.policy != "thompson"
        assert view.decision.randomised == (not certain)
        if certain:
            assert (view.decision.drawn_model_id, view.decision.propensity) == ("p/good-2", 1.0)
            assert "by the policy fixed:p/good-2, which an experiment gives 0.4 of all users" in view.outcome.reason


def test_requests_are_assigned_one_by_one_and_logged_with_the_mixtures_probability(asked: Running) -> None:
    decisions = [view.decision for view in views(asked, "rtr_requests")]
    assert len({each.assignment for each in decisions}) == REQUESTS
    assert all(each.randomised for each in decisions)
    assert min(each.propensity for each in decisions if each.drawn_model_id == "p/good-2") >= 0.3
    shares = Counter(each.policy for each in decisions)
    assert shares["fixed:p/good-2"] / REQUESTS == pytest.approx(0.3, abs=0.08)
    # The weights 1/p of an exact propensity add up to the number of requests, model by model.
    for model_id in ("p/good", "p/good-2"):
        weight = sum(1.0 / each.propensity for each in decisions if each.drawn_model_id == model_id)
        assert weight / REQUESTS == pytest.approx(1.0, abs=0.3)


def test_off_policy_evaluation_and_savings_take_what_was_drawn_at_random(asked: Running) -> None:
    draws, now = FirstDraws(asked.gateway.database), Epoch(time.time() + 60.0)
    told = {}
    for router_id in ("rtr_users", "rtr_requests"):
        log = RouterLog(draws, router_id, 1.0, 10 * REQUESTS)
        log.read(now)
        told[router_id] = evaluation(log.evidence(now), Proposal("fixed:p/good-2"))
    assert told["rtr_requests"].target.decisions == REQUESTS
    cost = told["rtr_requests"].target.doubly_robust[Figure.COST]
    assert cost.low <= COST_USD <= cost.high
    certain = sum(view.decision.policy != "thompson" for view in views(asked, "rtr_users"))
    assert certain in told["rtr_users"].target.left_out.values()
    with asked.http("admin") as admin:
        saved = {each: admin.get(f"/admin/routers/{each}/savings").json() for each in told}
    assert (saved["rtr_users"]["used"], saved["rtr_requests"]["used"]) == (REQUESTS - certain, REQUESTS)
    dear = next(each for each in saved["rtr_requests"]["fixed"] if each["model"] == "p/good-2")
    assert dear["cost_usd"]["low"] <= COST_USD <= dear["cost_usd"]["high"]


def test_the_parts_of_an_experiment_are_compared_by_what_happened(asked: Running) -> None:
    decisions = views(asked, "rtr_users")
    mine = [view for view in decisions if view.decision.policy != "thompson"]
    with asked.http("feedback") as client:
        scored = [
            {"completion_id": view.decision.completion_id, "score": 0.5 if view.decision.policy == "thompson" else 0.9}
            for view in decisions
        ]
        assert client.post("/feedback", json={"feedback": scored}).status_code == 200
    with asked.http("admin") as admin:
        users = admin.get("/admin/routers/rtr_users/experiment").json()
        requests = admin.get("/admin/routers/rtr_requests/experiment").json()
        assert admin.get("/admin/routers/rtr_none/experiment").status_code == 404
    first, other = users["parts"]
    assert (users["unit"], users["requests"], users["others"]) == ("user", REQUESTS, 0)
    assert (first["policy"], other["policy"], other["share"]) == ("thompson", "fixed:p/good-2", 0.4)
    assert (other["requests"], other["scored"]) == (len(mine), len(mine))
    assert other["units"] == len({view.decision.assignment for view in mine})
    assert other["figures"]["cost_usd"]["mean"] == pytest.approx(COST_USD)
    assert other["figures"]["quality"]["mean"] == pytest.approx(0.9)
    seconds = sum(view.outcome.seconds for view in mine) / len(mine)
    assert other["figures"]["seconds"]["mean"] == pytest.approx(seconds)
    assert other["differences"]["cost_usd"]["verdict"] == "unknown", "30 users are too few"
    assert other["differences"]["cost_usd"]["more_requests"] > 0
    assert not users["enough"]
    thompson, _, fixed = requests["parts"]
    assert fixed["units"] == fixed["requests"] == pytest.approx(0.3 * REQUESTS, rel=0.3)
    assert fixed["differences"]["cost_usd"]["verdict"] == "higher"
    low, high = (fixed["differences"]["cost_usd"][name] for name in ("low", "high"))
    assert low <= fixed["figures"]["cost_usd"]["mean"] - thompson["figures"]["cost_usd"]["mean"] <= high
    assert fixed["differences"]["quality"]["more_requests"] is None, "nothing of it is scored"
    with asked.http(None) as browser:
        browser.post("/sign-in", data={"key": asked.keys["admin"]}, headers={"origin": asked.url})
        page = browser.get("/routers/rtr_requests").text
    table = page[page.index('id="experiment"') :]
    table = table[: table.index("</table>")]
    assert table.count("<tr>") == 1 + len(requests["parts"])
    for part in requests["parts"]:
        assert f'<td class="strong cut">{part["policy"]}</td>' in table
    assert "the others are compared with it" in table
    assert "not enough: too few requests or scores" in table
    assert f'<span class="strong">{usd(1e3 * fixed["figures"]["cost_usd"]["mean"])}</span>' in table
    assert f'<div class="apart strong">+{usd(1e3 * fixed["differences"]["cost_usd"]["mean"])}</div>' in table


def test_an_experiment_that_is_changed_while_it_runs_goes_on_with_the_new_parts(asked: Running) -> None:
    parts = [{"policy": "cheapest", "share": 0.5}, {"policy": "uniform", "share": 0.5}]
    with asked.http("admin") as admin:
        shown = admin.get("/admin/routers/rtr_users").json()["settings"]
        assert shown["policies"] == [{"policy": "thompson", "share": 0.6}, {"policy": "fixed:p/good-2", "share": 0.4}]
        same = admin.patch("/admin/routers/rtr_users", json={"policies": shown["policies"], "policy": shown["policy"]})
        assert same.json()["settings"] == shown
        changed = admin.patch("/admin/routers/rtr_users", json={"policies": parts, "experiment_unit": "key"})
        assert changed.status_code == 200, changed.text
        new = {"cheapest", "uniform"}
        wait_until(lambda: policies_of(asked, admin, 4) <= new, "requests are of the new experiment")
        ended = admin.patch("/admin/routers/rtr_users", json={"policy": "uniform"}).json()["settings"]
        assert (ended["policy"], ended["policies"]) == ("uniform", None)
        wait_until(lambda: policies_of(asked, admin, 4) == {"uniform"}, "requests are of the policy alone")
        ended_experiment = admin.get("/admin/routers/rtr_users/experiment").json()
        assert (ended_experiment["running"], ended_experiment["unit"]) == (False, "key")
        assert {part["policy"] for part in ended_experiment["parts"]} == new
        assert ended_experiment["others"] >= REQUESTS
        refused = admin.patch("/admin/routers/rtr_users", json={"policies": parts, "policy": "uniform"})
        assert refused.status_code == 400
        assert "can't be given beside policies" in refused.json()["error"]["message"]


def policies_of(running: Running, admin: httpx.Client, count: int) -> set[str]:
    """The policies of some more requests to the router of users."""
    found: set[str] = set()
    for number in range(count):
        answer = running.client("rtr_users").chat.completions.with_raw_response.create(
            model="dari/routing", messages=[{"role": "user", "content": "Hi"}], user=f"u{number}"
        )
        found.add(admin.get(f"/admin/decisions/{answer.headers['x-request-id']}").json()["policy"])
    return found
