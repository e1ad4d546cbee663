"""Structured answers are checked when they have been sent: no answer waits, what is found is learned once."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from openai import OpenAI

from bandit.learning import half_life_of, learn_scores
from bandit.statistics import Signal
from bandit.types import HalfLives, LoopTime
from gateway.completions.json_schema import is_valid
from gateway.completions.validation import MOST_WAITING, SCHEMA_LIMIT, TEXT_LIMIT, ValidityCheck
from storage.maintenance.rebuild import Rebuild
from storage.records import DecisionView
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from tests.support.gateway import Running
from tests.support.waiting import wait_until

ROUTER = "rtr_second"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


def ask(client: OpenAI, say: str, *, stream: bool = False, **more: object) -> str:
    """The request's id; the provider says what `metadata` tells it to."""
    body = {"model": "dari/routing", "messages": [{"role": "user", "content": "n?"}], "metadata": {"say": say}}
    with client.chat.completions.with_streaming_response.create(**body, stream=stream, **more) as raw:  # type: ignore[call-overload]  # any body
        raw.read()
        request_id: str = raw.headers["x-request-id"]
        return request_id


def view_of(running: Running, request_id: str) -> DecisionView:
    view = Ledger(running.gateway.database).decision(request_id)
    assert view is not None
    return view


def found(running: Running, request_id: str) -> bool:
    """Whether the answer is valid, as soon as that is known."""
    wait_until(lambda: view_of(running, request_id).outcome.valid is not None, "the answer is checked")
    return view_of(running, request_id).outcome.valid is True


def learned(running: Running) -> tuple[float, float]:
    sums = [each for key, each in Arms(running.gateway.database).sums(ROUTER).items() if key.signal is Signal.VALIDITY]
    return (round(sum(each.weight for each in sums), 3), round(sum(each.total for each in sums), 3))


@pytest.mark.parametrize(
    ("say", "asked", "valid"),
    [
        ('{"n": 1}', FORMAT, True),
        ('{"n": "one"}', FORMAT, False),
        ("no JSON", FORMAT, False),
        ('{"any": "object"}', {"type": "json_object"}, True),
    ],
)
def test_what_is_found_is_noted_and_learned_once(running: Running, say: str, asked: object, valid: bool) -> None:
    weight, total = learned(running)
    request_id = ask(running.client(ROUTER), say, response_format=asked)
    assert found(running, request_id) is valid
    now_weight, now_total = learned(running)
    assert (now_weight - weight, now_total - total) == pytest.approx((1.0, float(valid)), abs=0.01)
    lives = HalfLives()
    rebuild = Rebuild(
        running.gateway.database,
        lambda before, after: learn_scores(before, after, lives.quality),
        lambda _, signal: half_life_of(lives, signal),
    )
    assert rebuild.check(ROUTER) == []


@dataclass(frozen=True)
class Held:
    """Checks that wait until they are released; `begun` says that one does."""

    begun: threading.Event
    release: threading.Event


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(threading.Event(), threading.Event())

    def check_slowly(asked: bytes, text: str) -> bool | None:
        held.begun.set()
        assert held.release.wait(60)
        return is_valid(asked, text)

    monkeypatch.setattr("gateway.completions.json_schema.is_valid", check_slowly)
    yield held
    held.release.set()


@pytest.mark.parametrize("stream", [False, True])
def test_no_answer_waits_for_a_check(running: Running, held: Held, stream: bool) -> None:
    client = running.client(ROUTER)
    ids = [ask(client, '{"n": 1}', stream=stream, response_format=FORMAT) for _ in range(3)]
    assert [view_of(running, request_id).outcome.valid for request_id in ids] == [None, None, None]
    held.release.set()
    assert [found(running, request_id) for request_id in ids] == [not stream] * 3  # streams say "Hello!"


def test_what_asks_for_no_structure_or_is_none_is_not_checked(running: Running) -> None:
    before = learned(running)
    client = running.client(ROUTER)
    ids = [ask(client, "Hello!"), ask(client, "Hello!", response_format={"type": "text"})]
    huge = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"enum": ["x" * SCHEMA_LIMIT]}}}
    ids.append(ask(client, "Hello!", response_format=huge))
    ids.append(ask(client, json.dumps({"n": 1, "more": "x" * TEXT_LIMIT}), response_format=FORMAT))
    last = ask(client, '{"n": 1}', response_format=FORMAT)
    assert found(running, last)
    assert [view_of(running, request_id).outcome.valid for request_id in ids] == [None] * 4
    assert learned(running)[0] == pytest.approx(before[0] + 1, abs=0.01)


def test_only_so_many_answers_wait_to_be_checked(running: Running, held: Held) -> None:
    checks = running.gateway.validator
    request_id = ask(running.client(ROUTER), json.dumps({"n": 1}), response_format=FORMAT)
    assert held.begun.wait(60)  # the answer's own check, which is queued after the answer was sent
    decision = view_of(running, request_id)
    published = running.gateway.routers[ROUTER].published(decision.decision.at, LoopTime(time.monotonic()))
    check = ValidityCheck("req_none", "p/good-a", published.snapshot, decision.outcome.ended_at, b"{}", "")
    for _ in range(2 * MOST_WAITING):
        checks.add(check)
    held.release.set()
    assert found(running, request_id)
