"""The Responses API with the real OpenAI client: answers, streams, errors and feedback."""

import openai
import pytest

from tests.support.gateway import Running


def test_an_answer_has_its_text_usage_and_reason(running: Running) -> None:
    client = running.client()
    answer = client.responses.create(model="dari/routing", input="Hi", instructions="Be brief.")
    assert (answer.status, answer.output_text, answer.object) == ("completed", "Hello!", "response")
    assert answer.id.startswith("resp_req_")
    assert answer.model.startswith("p/good-")
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert answer.to_dict()["dari_routing"]["selected_model"] == answer.model  # type: ignore[index]  # a field of ours
    with running.http() as http:
        scored = http.post("/feedback", json={"completion_id": answer.id, "score": 1})
    assert (scored.status_code, scored.json()["status"]) == (200, "recorded")


def test_a_stream_adds_up_to_its_response(running: Running) -> None:
    with running.client().responses.stream(model="dari/routing", input="Hi") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert deltas == ["Hel", "lo", "!"]
    assert (final.status, final.output_text) == ("completed", "Hello!")
    assert final.usage is not None
    assert final.usage.output_tokens == 5


def test_a_stream_that_breaks_fails_its_response(running: Running) -> None:
    stream = running.client("rtr_cut").responses.create(model="dari/routing", input="Hi", stream=True)
    last = list(stream)[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert "cut" in last.response.error.message or "broke" in last.response.error.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"store": True}, "store"), ({"previous_response_id": "resp_1"}, "previous_response_id"), ({"input": 5}, "input")],
)
def test_what_is_not_served_is_refused_by_name(running: Running, fields: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        running.client().responses.create(**({"model": "dari/routing", "input": "Hi"} | fields))  # type: ignore[call-overload]  # wrong on purpose
    assert caught.value.param == param


def test_a_provider_s_errors_and_a_wrong_key_are_the_same_as_for_completions(running: Running) -> None:
    with pytest.raises(openai.AuthenticationError):
        running.client(key="sk-none").responses.create(model="dari/routing", input="Hi", store=True)
    with pytest.raises(openai.RateLimitError):
        running.client("rtr_429").responses.create(model="dari/routing", input="Hi")
