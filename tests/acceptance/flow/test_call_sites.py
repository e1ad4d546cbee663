"""Call sites from end to end: they recur, are classes, start from what is known, are named, and are bounded."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bandit.types import Epoch, LoopTime
from gateway.choice_records import read_choice
from gateway.reports.explanation import explain
from gateway.tasks.call_sites import call_site_of, is_call_site
from storage.records import DecisionView, RouterModel, RouterRecord
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from storage.stores.tasks import LARGEST_COUNT, Tasks
from tests.support.gateway import Running
from tests.support.waiting import wait_until

ROUTER, OLD = "rtr_call_sites", "rtr_built_in"
NAMES = ("Alice Smith", "Bob van Dyke", "Chen Wei", "Dora Maar")


def support(number: int) -> str:
    return (
        f"You are a support agent of Acme. Today is May {number + 1}, 202{number % 10}. "
        f"The user is {NAMES[number % 4]}.\n\nContext:\nReturn number {number} takes {number} days."
    )


@pytest.fixture
def admin(running: Running) -> Iterator[httpx.Client]:
    with running.http("admin") as client:
        yield client


@pytest.fixture(autouse=True)
def served(running: Running) -> None:
    now, models = time.time(), (RouterModel("p/good-a"), RouterModel("p/good-b"))
    routers = Routers(running.gateway.database)
    for router_id, settings in ((ROUTER, {}), (OLD, {"tasks": "built_in"})):
        routers.put(RouterRecord(router_id, router_id, b"s" * 32, settings, models, now, now))
    wait_until(lambda: {ROUTER, OLD} <= running.gateway.routers.keys(), "the routers are served")


def ask(
    running: Running, system: Any, router: str = ROUTER, text: str = "Hi, where is it?", **fields: Any
) -> tuple[DecisionView, str]:
    messages: Any = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    answer = running.client(router).chat.completions.create(model="dari/routing", messages=messages, **fields)
    view = Ledger(running.gateway.database).decision(answer.id.removeprefix("chatcmpl-"))
    assert view is not None
    return view, answer.dari_routing["reason"]


def settle(running: Running) -> None:
    """Wait until no call site is being admitted."""
    tasks = running.gateway.routers[ROUTER].tasks
    wait_until(lambda: not tasks.waiting, "what recurs is admitted")


def test_a_prompt_that_is_filled_in_anew_each_time_is_one_class_with_a_name(
    running: Running, admin: httpx.Client
) -> None:
    built_in = [ask(running, support(number))[0].decision.task for number in range(3)]
    assert not any(map(is_call_site, built_in))
    settle(running)
    site = call_site_of(support(7))
    assert site is not None
    for number in (3, 4):
        view, reason = ask(running, support(number))
        assert view.decision.task == site.key
        assert reason.startswith("Short request of the call site “support agent of Acme”: ")
        choice = read_choice(view.decision.choice)
        assert choice.context.task == site.key
        assert explain(view, b"s" * 32).replay.identical
        assert explain(view, b"s" * 32).drawn_again
    live = running.gateway.routers[ROUTER]
    snapshot = live.renewed(Epoch(time.time()), LoopTime(time.monotonic() + 60.0)).snapshot
    assert snapshot.families is not None
    assert live.tasks.built_in == {site.key: built_in[0]}
    stored = json.dumps(Tasks(running.gateway.database).of([ROUTER])[ROUTER])
    assert not any(word in stored for word in ("Alice", "Today", "Context", "Return"))

    path = f"/admin/routers/{ROUTER}/call_sites"
    [listed] = admin.get(path).json()["data"]
    assert (listed["id"], listed["name"], listed["built_in"]) == (site.key, "support agent of Acme", built_in[0])
    for taken in ("code", "other", "question-answering"):
        refused = admin.patch(f"{path}/{site.key}", json={"name": taken})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "name_taken")
    assert admin.patch(f"{path}/{site.key}", json={"name": " "}).status_code == 400
    assert admin.patch(f"{path}/site:none", json={"name": "x"}).status_code == 404
    ask(running, "anything", metadata={"task": "invoices"})
    assert admin.patch(f"{path}/{site.key}", json={"name": "invoices"}).json()["error"]["code"] == "name_taken"
    assert admin.patch(f"{path}/{site.key}", json={"name": "help desk"}).json()["name"] == "help desk"
    wait_until(lambda: live.tasks.called == {site.key: "help desk"}, "the name is followed")
    view, reason = ask(running, support(5))
    assert view.decision.task == site.key
    assert reason.startswith("Short request of the call site “help desk”: ")
    assert ask(running, "anything", metadata={"task": "help desk"})[0].decision.task == site.key
    assert ask(running, "anything", metadata={"task": "site:made up"})[0].decision.task == "other"


def test_what_is_no_call_site_and_a_router_without_them_have_built_in_classes(running: Running) -> None:
    for system in ("You are a helpful assistant.", "", [{"type": "text", "text": ""}]):
        assert not any(is_call_site(ask(running, system)[0].decision.task) for _ in range(5))
    assert not any(is_call_site(ask(running, "Rhyme on what the user says.", OLD)[0].decision.task) for _ in range(5))
    assert OLD not in Tasks(running.gateway.database).of(None)


def test_many_call_sites_are_64_classes_and_a_flood_of_prompts_takes_none(running: Running) -> None:
    words = [f"{first}{second}" for first in "abcdefghij" for second in "klmnopq"]
    stored = Tasks(running.gateway.database)
    before = len(stored.of([ROUTER]).get(ROUTER, {}))
    for word in words:
        ask(running, f"Write about {word * 3} in a flood.")
    settle(running)
    assert len(stored.of([ROUTER]).get(ROUTER, {})) == before, "none of them recurs"
    for word in words:
        for _ in range(2):
            ask(running, f"Write about {word * 3} in a flood.")
    settle(running)
    live = running.gateway.routers[ROUTER]
    assert len(stored.of([ROUTER])[ROUTER]) == len(live.tasks.built_in) + len(
        [task for task in stored.of([ROUTER])[ROUTER] if not is_call_site(task)]
    )
    assert len(stored.of([ROUTER])[ROUTER]) == LARGEST_COUNT
    first, last = (
        ask(running, f"Write about {word * 3} in a flood.")[0].decision.task for word in (words[0], words[-1])
    )
    assert is_call_site(first)
    assert not is_call_site(last), "there was no room: its class is a built-in one"
