"""Each cell of docs/faults.md through a whole gateway: what the client sees, what is learned, and what is booked."""

import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import pytest

from bandit.statistics import Signal
from bandit.types import Attempt, Ending, Epoch, LoopTime
from gateway.routing.cooldowns import LAST_RESORT_SECONDS
from storage.records import DecisionView, Status
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from tests.acceptance.flow.faulty import (
    GOOD,
    INPUT_USD,
    OUTPUT_USD,
    Faulty,
    model_of,
    router_of,
    routers_of_the_table,
    run_faulty,
)
from tests.support.fault_table import CELLS, TABLE
from tests.support.faulty_provider.faults import TIRELESS
from tests.support.faulty_provider.samples import TEXT
from tests.support.waiting import wait_until

DOCUMENT = (Path(__file__).parents[3] / "docs" / "faults.md").read_text("utf-8")
BODY: dict[str, Any] = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}], "seed": 7}

COMPLETE, CUT, REJECTED = Ending.COMPLETE, Ending.CUT, Ending.REJECTED
UNSEEN = set(Ending) - {COMPLETE, CUT, Ending.CLIENT_GONE}
"""Endings that another model mends before the client has seen anything; a refused content is told at once."""


@dataclass(frozen=True)
class Alone:
    """What is left to tell where no other model takes over: exception, status and code; and how it is recorded."""

    exception: type[openai.APIError]
    http_status: int
    code: str | None
    status: Status


ALONE = {
    Ending.FAILED: Alone(openai.InternalServerError, 502, "all_models_failed", Status.FAILED),
    Ending.TIMEOUT: Alone(openai.InternalServerError, 504, "provider_timeout", Status.FAILED),
    Ending.RATE_LIMITED: Alone(openai.RateLimitError, 429, "rate_limited", Status.FAILED),
    Ending.MISCONFIGURED: Alone(openai.InternalServerError, 502, "all_models_failed", Status.FAILED),
    Ending.INCAPABLE: Alone(openai.BadRequestError, 400, "invalid_request", Status.REJECTED),
    Ending.REJECTED: Alone(openai.APIStatusError, 400, None, Status.REJECTED),
    Ending.CUT: Alone(openai.APIError, 502, "all_models_failed", Status.PARTIAL),
}
"""A rejection's status and code are the provider's own."""


def test_every_row_of_the_document_is_in_the_table_and_the_other_way_round() -> None:
    rows = document_rows("Faults")
    assert {row[0] for row in rows} == {fault.row for fault in TABLE.values()}
    for title, whole, stream in rows:
        for stated, streamed in ((whole, False), (whole if stream == "the same" else stream, True)):
            endings = {fault.ending(stream=streamed) for fault in TABLE.values() if fault.row == title}
            words = {ending.value.replace("_", "-") if ending else "–" for ending in endings}
            assert all(word in stated for word in words), (title, stated, words)
    assert {row[0].replace("-", "_").replace(" ", "_") for row in document_rows("Endings")} == set(Ending)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    with (
        pytest.MonkeyPatch.context() as patch,
        run_faulty(tmp_path_factory.mktemp("faulty"), routers_of_the_table()) as faulty,
    ):
        patch.setattr("gateway.providers.upstream.stream_limits.MAX_STREAM_BYTES", 2**20)
        yield faulty


@pytest.mark.parametrize(("fault", "stream"), CELLS)
def test_with_a_good_model_behind_it(fault: str, stream: bool, faulty: Faulty) -> None:
    running, router_id = faulty.running, router_of(fault, stream=stream, alone=False)
    running.forget_cooldowns()
    ending = TABLE[fault].ending(stream=stream)
    assert ending is not None
    answer = faulty.http.post(f"/{router_id}/chat/completions", json={**BODY, "stream": stream}, timeout=60)
    view = recorded(faulty, answer.headers["x-request-id"])
    saw_what_the_ending_says(answer, stream, ending, fault)
    tried = [attempt.ending for attempt in view.attempts]
    if ending in UNSEEN and not TABLE[fault].final:
        assert tried == [ending, COMPLETE]
        assert view.outcome.status is Status.ANSWERED
        assert view.outcome.model_id == GOOD
        assert view.attempts[1].randomised is False
        assert is_learned(faulty, router_id, GOOD, COMPLETE, view.attempts[1])
    else:
        assert tried == [ending]
    is_booked(view.attempts[0], fault, stream, ending)
    assert view.outcome.cost_usd == pytest.approx(sum(attempt.cost_usd for attempt in view.attempts))
    assert view.outcome.estimated is any(attempt.estimated for attempt in view.attempts)
    assert is_learned(faulty, router_id, model_of(fault), ending, view.attempts[0])


@pytest.mark.parametrize(
    ("fault", "stream"),
    [(fault, stream) for fault, stream in CELLS if TABLE[fault].ending(stream=stream) is not COMPLETE],
)
def test_with_no_other_model_the_official_client_raises(fault: str, stream: bool, faulty: Faulty) -> None:
    running, router_id = faulty.running, router_of(fault, stream=stream, alone=True)
    running.forget_cooldowns()
    ending = TABLE[fault].ending(stream=stream)
    assert ending is not None
    expected = ALONE[ending]
    said = ""
    request_id = ""
    with pytest.raises(expected.exception) as caught:
        answer = faulty.client(router_id).chat.completions.create(**BODY, stream=stream)
        assert isinstance(answer, openai.Stream)
        request_id = answer.response.headers["x-request-id"]
        for chunk in answer:
            said += chunk.choices[0].delta.content or ""
    error = caught.value
    http_status, code = expected.http_status, expected.code
    if isinstance(error, openai.APIStatusError):
        request_id = error.response.headers["x-request-id"]
        if ending is REJECTED:
            http_status = int(fault.removeprefix("status-")) if fault in {"status-413", "status-422"} else 400
            code = error.code
            assert code == fault.replace("status-", "simulated_").replace("403-flagged", "moderation")
        assert error.status_code == http_status
        assert said == ""
    else:
        assert "cut off" in error.message
        assert said
    assert error.code == code
    view = recorded(faulty, request_id)
    assert (view.outcome.status, view.outcome.http_status) == (expected.status, http_status)
    assert view.outcome.error_code == code
    assert [attempt.ending for attempt in view.attempts] == [ending]
    is_booked(view.attempts[0], fault, stream, ending)
    assert view.outcome.cost_usd == view.attempts[0].cost_usd
    assert is_learned(faulty, router_id, model_of(fault), ending, view.attempts[0])
    leaves_the_model_as_it_should(faulty, fault, ending, error)


@pytest.mark.parametrize(
    ("fault", "stream", "status"),
    [
        ("hang", False, Status.CLIENT_GONE),
        ("hang", True, Status.CLIENT_GONE),
        ("stall", False, Status.CLIENT_GONE),
        ("stall", True, Status.PARTIAL),
    ],
)
def test_a_client_that_leaves_is_booked_and_teaches_nothing(
    fault: str, stream: bool, status: Status, faulty: Faulty
) -> None:
    """The row "client gone": the provider's call is closed, the prompt and what was relayed are booked."""
    router_id, model_id = f"rtr_left_{fault}", f"patient/{fault}"
    known = Arms(faulty.running.gateway.database).sums(router_id)
    view = leave(faulty, fault, stream)
    assert (view.outcome.status, view.outcome.http_status) == (status, 499)
    (attempt,) = view.attempts
    assert (attempt.model_id, attempt.ending, attempt.estimated) == (model_id, Ending.CLIENT_GONE, True)
    assert attempt.prompt_tokens
    assert bool(attempt.completion_tokens) is (status is Status.PARTIAL)
    tokens = attempt.prompt_tokens * INPUT_USD + (attempt.completion_tokens or 0) * OUTPUT_USD
    assert view.outcome.cost_usd == attempt.cost_usd == pytest.approx(tokens)
    assert Arms(faulty.running.gateway.database).sums(router_id) == known


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_waits_longer_than_usual_for_nothing_teaches_one_slow_latency(
    stream: bool, faulty: Faulty
) -> None:
    faulty.provider.requests.pop("tires", None)
    body = {**BODY, "stream": stream}
    for _ in range(TIRELESS):
        answered_at = time.time()  # of the answers before: the last one is news for another snapshot
        assert faulty.http.post("/rtr_left_tires/chat/completions", json=body).status_code == 200
    router = faulty.running.gateway.routers["rtr_left_tires"]
    wait_until(
        lambda: router.renewed(Epoch(time.time()), LoopTime(time.monotonic())).at >= answered_at,
        "a snapshot knows what is usual",
    )
    arms = Arms(faulty.running.gateway.database)
    known = {key.signal: sums for key, sums in arms.sums("rtr_left_tires").items()}
    leave(faulty, "tires", stream)
    learned = {key.signal: sums + -known[key.signal] for key, sums in arms.sums("rtr_left_tires").items()}
    changed = {signal for signal, sums in learned.items() if abs(sums.weight) > 0.01}
    assert changed == {Signal.FIRST_TOKEN if stream else Signal.TOTAL}


def leave(faulty: Faulty, fault: str, stream: bool, after_seconds: float = 1.0) -> DecisionView:
    """Ask, wait in vain, leave: the record, once the provider's call is closed."""
    ledger, router_id = Ledger(faulty.running.gateway.database), f"rtr_left_{fault}"
    before = {view.decision.completion_id for view in ledger.decisions(router_id).views}
    gone = len(faulty.provider.gone.get(fault, ()))
    path = f"{faulty.running.url}/{router_id}/chat/completions"
    with (
        faulty.running.http() as http,
        pytest.raises(httpx.ReadTimeout),
        http.stream("POST", path, json={**BODY, "stream": stream}, timeout=after_seconds) as answer,
    ):
        answer.read()
    # The provider itself would hold the call for longer than this waits.
    wait_until(lambda: len(faulty.provider.gone.get(fault, ())) > gone, "the provider's call is closed")
    wait_until(lambda: len(ledger.decisions(router_id).views) > len(before), "the request is recorded")
    (view,) = (view for view in ledger.decisions(router_id).views if view.decision.completion_id not in before)
    return view


def document_rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def recorded(faulty: Faulty, request_id: str) -> DecisionView:
    view = Ledger(faulty.running.gateway.database).decision(request_id)
    assert view is not None, "the record is committed before the answer's last byte is sent"
    return view


def saw_what_the_ending_says(answer: httpx.Response, stream: bool, ending: Ending, fault: str) -> None:
    if TABLE[fault].final:
        assert answer.status_code == 400
        return
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-router-attempts"] == ("2" if ending in UNSEEN else "1")
    assert answer.headers["x-router-selected-model"] == (GOOD if ending in UNSEEN else model_of(fault))
    if not stream:
        whole = answer.json()
        assert is_what_was_said(whole["choices"][0]["message"]["content"], fault, ending)
        assert ending is COMPLETE or model_of(fault) in whole["dari_routing"]["reason"]
        return
    *events, last = [json.loads(text) for text in re.findall(r"^data: (\{.*\})$", answer.text, re.MULTILINE)]
    assert ending is not Ending.COMPLETE or "error" not in last
    if ending is CUT:
        assert last["error"]["code"] == "all_models_failed"
        assert "[DONE]" not in answer.text
        assert any(event["choices"][0]["delta"].get("content") for event in events)
        return
    assert answer.text.endswith("data: [DONE]\n\n")
    assert answer.text.count("[DONE]") == 1
    said = "".join(event["choices"][0]["delta"].get("content", "") for event in (*events, last))
    assert is_what_was_said(said, fault, ending)
    assert ending is COMPLETE or model_of(fault) in events[0]["dari_routing"]["reason"]


def is_what_was_said(text: str, fault: str, ending: Ending) -> bool:
    if fault == "huge" and ending is COMPLETE:
        return len(text) > 50_000_000
    return "�" in text if fault == "bad-utf8" else text == TEXT


def is_booked(attempt: Attempt, fault: str, stream: bool, ending: Ending) -> None:
    """Reported tokens at their price; an estimate, marked as one, where tokens were spent but not reported."""
    if ending is COMPLETE and not (stream and TABLE[fault].unreported):
        assert (attempt.prompt_tokens, attempt.completion_tokens, attempt.estimated) == (10, 5, False)
        assert attempt.cost_usd == pytest.approx(10 * INPUT_USD + 5 * OUTPUT_USD)
    elif ending in {COMPLETE, Ending.TIMEOUT, CUT}:
        assert attempt.estimated
        assert attempt.prompt_tokens
        assert bool(attempt.completion_tokens) is (ending is not Ending.TIMEOUT)
        tokens = attempt.prompt_tokens * INPUT_USD + (attempt.completion_tokens or 0) * OUTPUT_USD
        assert attempt.cost_usd == pytest.approx(tokens)
    else:
        assert (attempt.prompt_tokens, attempt.completion_tokens) == (None, None)
        assert (attempt.cost_usd, attempt.estimated) == (0.0, False)
    assert attempt.finish_reason == ("stop" if ending is COMPLETE and fault != "cut-with-done" else None)
    assert bool(attempt.detail) is (ending is not COMPLETE)


def is_learned(faulty: Faulty, router_id: str, model_id: str, ending: Ending, attempt: Attempt) -> bool:
    """Whether the router, which has seen this one request, learned of the model what the ending teaches, and no more.

    Of quality nothing is ever learned from a fault.
    """
    found = Arms(faulty.running.gateway.database).sums(router_id)
    sums = {key.signal: each for key, each in found.items() if key.model_id == model_id}
    waited = {Signal.FIRST_TOKEN if attempt.stream else Signal.TOTAL}
    match ending:
        case Ending.COMPLETE:
            signals = {Signal.SUCCESS, Signal.OUTCOMES} | waited | ({Signal.PER_TOKEN} if attempt.stream else set())
            signals |= set() if attempt.estimated else {Signal.COMPLETION_TOKENS, Signal.PROMPT_RATIO}
        case Ending.TIMEOUT:
            signals = {Signal.SUCCESS, Signal.OUTCOMES} | waited
        case Ending.FAILED | Ending.CUT:
            signals = {Signal.SUCCESS, Signal.OUTCOMES}
        case _:
            signals = set()
    assert sums.keys() == signals
    if Signal.SUCCESS in signals:
        success = sums[Signal.SUCCESS]
        assert (success.weight, success.total) == (1.0, float(ending is COMPLETE))
    return True


def leaves_the_model_as_it_should(faulty: Faulty, fault: str, ending: Ending, error: openai.APIError) -> None:
    """The column "then": who rests, who is parked, and who is asked last for a field."""
    model_states, model_id, now = faulty.running.gateway.model_states, model_of(fault), time.monotonic()
    wait = model_states.cooldowns.soonest([model_id], now)
    seven, eight = ({"seed": msgspec.Raw(seed)} for seed in (b"7", b"8"))
    assert wait is not None
    match ending:
        case Ending.RATE_LIMITED:
            longest = {"429-retry-after": 7.0, "429-briefly": 0.2}.get(fault, 2.0)
            assert 0.0 <= wait <= longest
            assert isinstance(error, openai.APIStatusError)
            assert 1 <= int(error.response.headers["retry-after"]) <= math.ceil(longest)
        case Ending.MISCONFIGURED:
            assert wait <= LAST_RESORT_SECONDS
            assert not model_states.cooldowns.available(model_id, now)
            assert model_id in model_states.cooldowns.parked()
            assert model_id in faulty.http.get("/readyz").text
        case Ending.INCAPABLE:
            assert wait == 0.0
            doubted = {
                "seven": model_states.holds.doubt(model_id, seven, 10, now) is not None,
                "eight": model_states.holds.doubt(model_id, eight, 10, now) is not None,
                "long": model_states.holds.doubt(model_id, {}, 8193, now) is not None,
            }
            expected = {"400-field": {"seven", "eight"}, "400-value": {"seven"}, "400-context": {"long"}}[fault]
            assert {name for name, is_doubted in doubted.items() if is_doubted} == expected
        case _:
            assert (wait == 0.0) is (fault != "503-retry-after")
