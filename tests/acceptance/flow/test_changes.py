"""What is changed beside a running gateway, by the command line or another process, takes effect without a restart."""

import time
from dataclasses import replace
from typing import Any

import openai
import pytest

from bandit.types import Epoch
from gateway.api_keys import new_key
from storage.records import RouterModel, RouterRecord
from storage.stores.keys import Keys
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from tests.support.gateway import Running
from tests.support.waiting import wait_until

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def new_router(
    running: Running, router_id: str, models: tuple[str, ...] = ("p/good-a", "p/good-b"), **settings: Any
) -> None:
    now = time.time()
    enabled = tuple(map(RouterModel, models))
    Routers(running.gateway.database).put(RouterRecord(router_id, router_id, b"s" * 32, settings, enabled, now, now))
    wait_until(lambda: router_id in running.gateway.routers, f"{router_id} is served")


def works(running: Running, key: str) -> bool:
    try:
        running.client(key=key).models.list()
    except openai.AuthenticationError:
        return False
    return True


def test_a_key_works_soon_after_it_was_made_and_no_longer_after_it_was_revoked(running: Running) -> None:
    secret, record = new_key("made while serving", ("routing",), now=time.time())
    assert not works(running, secret)
    Keys(running.gateway.database).add(record)
    wait_until(lambda: works(running, secret), "the new key works")
    Keys(running.gateway.database).revoke(record.id, time.time())
    wait_until(lambda: not works(running, secret), "the revoked key is refused")


def test_a_router_is_served_as_it_was_changed(running: Running) -> None:
    new_router(running, "rtr_changing")
    client = running.client("rtr_changing")
    assert [model.id for model in client.models.list()] == ["dari/routing", "p/good-a", "p/good-b"]
    client.chat.completions.create(model="dari/routing", messages=MESSAGES)
    routers = Routers(running.gateway.database)
    record = routers.get("rtr_changing")
    assert record is not None
    only_b = (RouterModel("p/good-a", enabled=False), RouterModel("p/good-b"))
    routers.put(replace(record, models=only_b, updated_at=time.time()))
    wait_until(
        lambda: [model.id for model in client.models.list()] == ["dari/routing", "p/good-b"], "p/good-a is not offered"
    )
    assert client.chat.completions.create(model="dari/routing", messages=MESSAGES).model == "p/good-b"
    none = tuple(replace(model, enabled=False) for model in only_b)
    routers.put(replace(record, models=none, updated_at=time.time()))
    wait_until(lambda: len(list(client.models.list())) == 1, "no model is offered")
    with pytest.raises(openai.ConflictError) as caught:
        client.chat.completions.create(model="dari/routing", messages=MESSAGES)
    assert caught.value.code == "no_enabled_models"
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_prompts_and_answers_are_kept_only_where_the_router_says_so(running: Running) -> None:
    ledger = Ledger(running.gateway.database)
    new_router(running, "rtr_forgetful")
    new_router(running, "rtr_keeping", store_content=True)
    for router_id, kept in (("rtr_forgetful", False), ("rtr_keeping", True)):
        answer = running.client(router_id).chat.completions.create(model="dari/routing", messages=MESSAGES)
        content = ledger.content(answer.id.removeprefix("chatcmpl-"))
        assert (content is not None) is kept
        if content is not None:
            assert b'"content":"Hi"' in content.request.replace(b" ", b"")
            assert b"Hello!" in content.answer


def test_the_days_money_is_a_hard_limit(running: Running) -> None:
    new_router(running, "rtr_poor", max_usd_per_day=0.002)
    client = running.client("rtr_poor")
    with pytest.raises(openai.RateLimitError) as caught:
        for _ in range(1_000):
            client.chat.completions.create(model="dari/routing", messages=MESSAGES, max_tokens=50)
    assert caught.value.code == "budget_exhausted"
    assert caught.value.response.headers["x-should-retry"] == "false"
    spent = Ledger(running.gateway.database).traffic("rtr_poor", Epoch(time.time()))
    assert sum(traffic.cost_usd for traffic in spent.values()) <= 0.002


def test_a_day_s_limit_leaves_out_what_does_not_fit_and_a_free_model_always_fits(running: Running) -> None:
    new_router(running, "rtr_thrifty", models=("p/good-a", "p/good-free"), max_usd_per_day=1e-9, policy="uniform")
    client = running.client("rtr_thrifty")
    for _ in range(8):
        assert client.chat.completions.create(model="dari/routing", messages=MESSAGES).model == "p/good-free"


@pytest.mark.parametrize(
    "limit",
    [
        {"extra_body": {"routing": {"max_usd": 1e-9}}},
        {"extra_headers": {"x-router-max-usd": "1e-9"}},
        {"extra_body": {"routing.instructions": "at most $0.000000001"}},
    ],
)
def test_a_request_may_say_what_it_may_cost(running: Running, limit: Any) -> None:
    new_router(running, "rtr_mixed", models=("p/good-a", "p/good-free"), policy="uniform")
    client = running.client("rtr_mixed")
    for _ in range(8):
        answer = client.chat.completions.create(model="dari/routing", messages=MESSAGES, **limit)
        assert answer.model == "p/good-free"
    with pytest.raises(openai.RateLimitError, match="the cheapest that can serve this request") as caught:
        running.client("rtr_good").chat.completions.create(model="dari/routing", messages=MESSAGES, **limit)
    assert caught.value.code == "budget_exhausted"
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_every_routed_request_has_one_row_with_its_outcome(running: Running) -> None:
    running.forget_cooldowns()
    ledger = Ledger(running.gateway.database)
    with running.http() as http:
        for router_id, status in (("rtr_good", "answered"), ("rtr_500", "failed"), ("rtr_400", "rejected")):
            body = {"model": "dari/routing", "messages": MESSAGES}
            response = http.post(f"/{router_id}/chat/completions", json=body)
            view = ledger.decision(response.headers["x-request-id"])
            assert view is not None
            assert view.outcome.status == status
            assert view.outcome.http_status == response.status_code
            assert len(view.attempts) == view.outcome.attempts == int(response.headers["x-router-attempts"])
            if status == "answered":
                assert view.outcome.cost_usd == pytest.approx((8 * 1.0 + 2 * 0.5 + 5 * 2.0) / 1e6)
                assert view.outcome.reason == response.json()["dari_routing"]["reason"]


def test_a_conversation_keeps_its_model_where_the_router_says_so(running: Running) -> None:
    new_router(running, "rtr_sticky", policy="uniform", sticky_seconds=60)
    client = running.client("rtr_sticky")
    ledger = Ledger(running.gateway.database)

    def models(**fields: Any) -> set[str]:
        return {
            client.chat.completions.create(model="dari/routing", messages=MESSAGES, **fields).model for _ in range(12)
        }

    assert models() == {"p/good-a", "p/good-b"}
    assert len(models(prompt_cache_key="a")) == 1
    assert len(models(user="ann")) == 1
    turn: Any = [*MESSAGES, {"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "And now?"}]
    answer = client.chat.completions.create(model="dari/routing", messages=turn, user="ann")
    assert {answer.model} == models(user="ann")
    view = ledger.decision(answer.id.removeprefix("chatcmpl-"))
    assert view is not None
    assert not view.decision.randomised
    assert view.decision.propensity == pytest.approx(0.5)
    assert len({tuple(models(user=f"user {number}")) for number in range(12)}) == 2


def test_conversations_and_reservations_outlive_changes_of_their_router_and_of_others(running: Running) -> None:
    new_router(running, "rtr_stays", policy="uniform", sticky_seconds=60, max_usd_per_day=1)
    new_router(running, "rtr_renamed")
    client = running.client("rtr_stays")
    users = [f"user {number}" for number in range(6)]

    def answering() -> list[str]:
        return [
            client.chat.completions.create(model="dari/routing", messages=MESSAGES, user=user).model for user in users
        ]

    before = answering()
    running.gateway.routers["rtr_stays"].spend.reserve(0.99, Epoch(time.time()))
    routers = Routers(running.gateway.database)
    other, own = routers.get("rtr_renamed"), routers.get("rtr_stays")
    assert other is not None
    assert own is not None
    routers.put(replace(other, name="another"))
    routers.put(replace(own, settings={**own.settings, "max_attempts": 1}))
    wait_until(lambda: running.gateway.routers["rtr_stays"].options.max_attempts == 1, "the change is served")
    assert answering() == before
    assert running.gateway.routers["rtr_stays"].spend.left_usd(Epoch(time.time())) < 0.01
