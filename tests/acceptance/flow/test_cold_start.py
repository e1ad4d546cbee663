"""Models without traffic, through the gateway: who is a newcomer, and what the first reasons say."""

import re
import time
from typing import Any

from bandit.types import ArmView, LoopTime
from gateway.choice_records import read_choice
from storage.records import RouterModel, RouterRecord
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from tests.support.gateway import Running
from tests.support.waiting import wait_until

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
ONLY_A: Any = {"routing": {"instructions": "only use p/good-a"}}
SECONDS = re.compile(r"\d\.\d s\)")


def put_router(running: Running, router_id: str, *model_ids: str) -> None:
    models = tuple(map(RouterModel, model_ids))
    record = RouterRecord(router_id, router_id, b"s" * 32, {}, models, time.time(), time.time())
    Routers(running.gateway.database).put(record)
    wait_until(
        lambda: router_id in running.gateway.routers and len(running.gateway.routers[router_id].models) == len(models),
        f"{router_id} is served with {len(models)} models",
    )


def ask(running: Running, router_id: str, **more: Any) -> tuple[str, dict[str, ArmView]]:
    """The reason of an answer, and what was expected of each model."""
    answer: Any = running.client(router_id).chat.completions.create(model="dari/routing", messages=MESSAGES, **more)
    view = Ledger(running.gateway.database).decision(answer.id.removeprefix("chatcmpl-"))
    assert view is not None
    arms = read_choice(view.decision.choice).arms
    return answer.dari_routing["reason"], {arm.model_id: arm for arm in arms}


def outcomes(running: Running, router_id: str) -> float:
    router = running.gateway.routers[router_id]
    return float(
        router.renewed(running.gateway.database.clock.now(), LoopTime(time.monotonic())).snapshot.outcomes.sum()
    )


def test_models_from_the_start_are_no_newcomers_and_one_that_joins_later_is(running: Running) -> None:
    put_router(running, "rtr_start", "p/good-a", "p/good-b")
    for _ in range(22):
        ask(running, "rtr_start", extra_body=ONLY_A)
    wait_until(lambda: outcomes(running, "rtr_start") >= 22, "the answers are learned")
    _, arms = ask(running, "rtr_start")
    assert (arms["p/good-b"].newcomer, arms["p/good-b"].high) == (False, 1.0)
    put_router(running, "rtr_start", "p/good-a", "p/good-b", "p/good-free")
    _, arms = ask(running, "rtr_start")
    assert (arms["p/good-free"].newcomer, arms["p/good-free"].high) == (True, 0.2)
    assert not arms["p/good-b"].newcomer


def test_a_reason_says_seconds_only_once_an_answer_has_shown_them(running: Running) -> None:
    put_router(running, "rtr_silent", "p/endless")
    reason, arms = ask(running, "rtr_silent")
    assert not SECONDS.search(reason)
    assert not arms["p/endless"].seconds_known
    wait_until(lambda: outcomes(running, "rtr_silent") >= 1, "the answer is learned")
    reason, arms = ask(running, "rtr_silent")
    assert SECONDS.search(reason)
    assert arms["p/endless"].seconds_known
