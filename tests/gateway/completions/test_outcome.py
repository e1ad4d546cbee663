"""What is recorded of a request does not depend on which other requests were drawn alike before."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bandit.price import Price, Tokens
from bandit.types import Arm, Epoch, LoopTime, RouterSettings
from gateway.catalog.catalog import Model
from gateway.completions.attempts import AttemptLog
from gateway.completions.decision import Decision, decide_plainly
from gateway.completions.outcome import build_record
from gateway.completions.request import parse_completion
from gateway.providers.upstream.provider import Answer, ProviderError, Usage, Verdict
from gateway.routing.definitions import Definition
from gateway.routing.model_states import ModelStates
from gateway.routing.router import LiveRouter, RouterState
from gateway.settings.router_options import DEFAULT_OPTIONS
from storage.records import CompletionRecord, Status

NOW, LOOP_TIME = Epoch(1_700_000_000.0), LoopTime(50.0)
PRICE = Price(1e-6, 4e-6, 1e-7)
MODELS = {name: Model(name, "p", name, PRICE, frozenset()) for name in ("p/one", "p/two")}
ANSWER = Answer({}, Usage(Tokens(20, 10, 5, reasoning_tokens=3)), "stop", 40)


def router() -> LiveRouter:
    arms = tuple(Arm(model_id, PRICE) for model_id in MODELS)
    live = LiveRouter(Definition(DEFAULT_OPTIONS, RouterSettings("rtr_a"), b"s" * 32, MODELS, arms, NOW), RouterState())
    live.published(NOW, LOOP_TIME)  # the snapshot that all decide from
    return live


def decided(by: LiveRouter, number: int) -> Decision:
    body = '{"model":"dari/routing","messages":[{"role":"user","content":"word"}]}' + " " * number
    request = parse_completion(body.encode())
    decision = decide_plainly(f"req_{number}", by, request, ModelStates(), Epoch(NOW + number), LOOP_TIME)
    assert decision is not None
    return decision


def recorded(decision: Decision, key_id: str, failure: ProviderError | None) -> CompletionRecord:
    attempts = AttemptLog(decision, None)
    attempts.begin(decision.draw, decision.at, LOOP_TIME)
    if failure is None:
        attempts.answered(ANSWER)
    else:
        attempts.fail(failure)
    status = Status.ANSWERED if failure is None else Status.FAILED
    record = build_record(
        decision, attempts, status, key_id=key_id, ended_at=Epoch(decision.at + 1.0), seconds=1.0, reason="because"
    )
    timed = tuple(replace(attempt, seconds=0.5) for attempt in record.attempts)
    return replace(record, attempts=timed, outcome=replace(record.outcome, overhead_seconds=0.5), deltas={})


FAILURES = (None, None, ProviderError(Verdict.FAILED, "broken", status=502), ProviderError(Verdict.TIMEOUT, "late"))


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["key_1", "key_2"]), st.sampled_from(FAILURES))))
def test_a_record_is_the_same_whoever_was_drawn_alike_before(
    requests: list[tuple[int, str, ProviderError | None]],
) -> None:
    shared = router()
    for number, key_id, failure in requests:
        decision = decided(shared, number)
        record = recorded(decision, key_id, failure)
        assert record == recorded(decided(router(), number), key_id, failure)
        told, draw = record.decision, decision.draw
        assert (told.completion_id, told.key_id, told.at) == (f"req_{number}", key_id, NOW + number)
        assert (told.drawn_model_id, told.u, told.propensity) == (draw.model_id, draw.u, draw.propensity)
        assert (told.request_bytes, told.choice_digest) == (decision.request.size, decision.cached.choice_digest)
        (attempt,) = record.attempts
        assert (attempt.number, attempt.model_id, attempt.started_at) == (1, draw.model_id, decision.at)
        if failure is None:
            assert (attempt.status, attempt.detail, attempt.token_details) == (200, "", {"reasoning_tokens": 3})
        else:
            assert (attempt.status, attempt.detail, attempt.ending) == (failure.status, str(failure), failure.ending)
