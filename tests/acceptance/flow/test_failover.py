"""Rests, deadlines and several keys, through a whole gateway; and that no key is ever told to anybody."""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bandit.types import Ending
from storage.records import Status
from storage.stores.ledger import Ledger
from tests.acceptance.flow.faulty import FIRST_KEY, SECOND_KEY, Faulty, models_text, run_faulty
from tests.support.waiting import wait_until

BODY = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
TALKERS = ("400-echo", "429-echo", "500-echo", "200-echo", "status-401", "400-key", "cut", "reset", "redirect")
"""What a provider may do that could end in its key being told."""

ACCURATE = "patient/accurate"
"""A model that is not rate-limited, but overloaded."""

ROUTERS = {
    "rtr_back": (["patient/429-briefly drip ok ok ok ok ok"], ""),
    "rtr_not_back": (["patient/429-briefly 429-retry-after"], ""),
    "rtr_deadline": (
        ["quick/hang", "patient/hang", "patient/mute"],  # a deadline of its own would leave time for the third
        'policy = "fixed:quick/hang"\nrequest_timeout_seconds = 3\n',
    ),
    "rtr_accurate": ([ACCURATE], ""),
    "rtr_attempts": (["patient/status-500", "patient/529", "patient/status-502"], "max_attempts = 2\n"),
    "rtr_endless": (["patient/endless"], ""),
    "rtr_keys": (["keys/429-key"], ""),
    **{f"rtr_{fault}": ([f"keys/{fault}"], "") for fault in TALKERS},
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    names = dict.fromkeys(model for models, _ in ROUTERS.values() for model in models if model != ACCURATE)
    text = models_text(*names, ACCURATE)
    text += 'upstream_name = "503-retry-after"\n'
    for router_id, (models, more) in ROUTERS.items():
        listed = ", ".join(f'"{model}"' for model in models)
        text += f"[routers.{router_id}]\nmodels = [{listed}]\n{more}"
    with run_faulty(tmp_path_factory.mktemp("failover"), text) as faulty:
        yield faulty


def ask(faulty: Faulty, router_id: str, *, stream: bool = False) -> httpx.Response:
    return faulty.http.post(f"/{router_id}/chat/completions", json={**BODY, "stream": stream}, timeout=60)


@pytest.mark.parametrize("stream", [False, True])
def test_while_one_request_asks_whether_the_model_is_back_the_others_wait_for_its_answer(
    faulty: Faulty, stream: bool
) -> None:
    """For its whole answer, or for the first word of its stream."""
    faulty.running.forget_cooldowns()
    limited = ask(faulty, "rtr_back")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: ask(faulty, "rtr_back", stream=stream), range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    first, *others = sorted(
        (
            attempt
            for view in Ledger(faulty.running.gateway.database).decisions("rtr_back").views
            for attempt in view.attempts
            if attempt.ending is Ending.COMPLETE and attempt.stream is stream
        ),
        key=lambda attempt: attempt.started_at,
    )
    waited = first.seconds if first.first_token_seconds is None else first.first_token_seconds
    assert all(attempt.started_at >= first.started_at + 0.9 * waited for attempt in others)


def test_when_the_model_is_not_back_the_others_are_told_how_long_it_rests(faulty: Faulty) -> None:
    faulty.running.forget_cooldowns()
    ask(faulty, "rtr_not_back")
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda _: ask(faulty, "rtr_not_back"), range(3)))
    assert [answer.status_code for answer in answers] == [429] * 3
    assert all(1 <= int(answer.headers["retry-after"]) <= 7 for answer in answers)
    assert faulty.provider.requests["429-briefly 429-retry-after"] == 2


def test_models_that_rest_for_another_reason_than_a_rate_limit_are_unavailable(faulty: Faulty) -> None:
    """Whatever they are called."""
    faulty.running.forget_cooldowns()
    assert ask(faulty, "rtr_accurate").status_code == 502
    resting = ask(faulty, "rtr_accurate")
    assert (resting.status_code, resting.json()["error"]["code"]) == (503, "overloaded")
    assert 1 <= int(resting.headers["retry-after"]) <= 7


def test_the_attempts_of_a_request_have_one_deadline_together(faulty: Faulty) -> None:
    faulty.running.forget_cooldowns()
    answer = ask(faulty, "rtr_deadline")
    assert (answer.status_code, answer.headers["x-router-attempts"]) == (504, "2")


def test_no_more_models_are_tried_than_the_router_says(faulty: Faulty) -> None:
    faulty.running.forget_cooldowns()
    answer = ask(faulty, "rtr_attempts")
    assert (answer.status_code, answer.headers["x-router-attempts"]) == (502, "2")


def test_a_rate_limited_key_gives_way_to_another_before_the_model_is_blamed(faulty: Faulty) -> None:
    """The keys take turns until one is limited; the request, the model and the client notice nothing."""
    faulty.running.forget_cooldowns()
    faulty.provider.requests.pop("429-key", None)
    answers = [ask(faulty, "rtr_keys", stream=stream) for stream in (False, True, False, True)]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.headers["x-router-attempts"] for answer in answers] == ["1"] * 4
    assert faulty.provider.requests["429-key"] == 5
    views = Ledger(faulty.running.gateway.database).decisions("rtr_keys").views
    assert {view.attempts[0].ending for view in views} == {Ending.COMPLETE}


@pytest.mark.parametrize("headers", [{}, {"origin": "https://as.asgi"}])
def test_a_client_that_takes_nothing_and_does_not_leave_counts_as_gone(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """Its provider's call is closed, and what it cost is booked."""
    monkeypatch.setattr("gateway.asgi.UNREAD_SECONDS", 0.3)
    ledger = Ledger(faulty.running.gateway.database)
    body = {**BODY, "stream": True}
    with faulty.http.stream("POST", "/rtr_endless/chat/completions", json=body, headers=headers) as answer:
        request_id = answer.headers["x-request-id"]
        wait_until(lambda: ledger.decision(request_id) is not None, "the request is over and recorded")
    view = ledger.decision(request_id)
    assert view is not None
    assert view.outcome.status is Status.PARTIAL
    assert view.attempts[0].ending is Ending.CLIENT_GONE
    assert view.outcome.cost_usd > 0.0


def test_no_key_is_in_any_answer_header_log_metric_or_record(faulty: Faulty, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for fault in TALKERS:
            for stream in (False, True):
                faulty.running.forget_cooldowns()
                answer = ask(faulty, f"rtr_{fault}", stream=stream)
                told += [answer.text, repr(answer.headers)]
                told.append(faulty.http.get("/readyz").text)
        wrong = faulty.running.client("rtr_cut", key="sk-bg-somebody-elses-key-000000000000000000")
        told.append(str(wrong.models.with_raw_response))
        told.append(faulty.http.get("/rtr_cut/models", headers={"authorization": "Bearer sk-bg-0123456789abc"}).text)
    with faulty.running.http("admin") as http:
        told += [
            http.get(path).text
            for path in ("/metrics", "/readyz", "/openapi.json", "/admin/decisions?router_id=rtr_cut")
        ]
    told += [record.getMessage() + str(record.exc_text) for record in caplog.records]
    path = faulty.running.gateway.settings.database_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        told += connection.iterdump()
    told.append(repr(faulty.running.gateway.settings))
    secrets = [FIRST_KEY, SECOND_KEY, *faulty.running.keys.values()]
    for secret in secrets:
        assert not any(secret[-16:] in text for text in told)
    assert any("you sent" in text for text in told)
