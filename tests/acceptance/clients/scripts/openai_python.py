"""The gateway from OpenAI's client for Python."""

import json

import openai
from checking import BASE_URL, CUT_URL, KEY, check, raised, run, send_score
from openai import OpenAI
from pydantic import BaseModel

client = OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class City(BaseModel):
    """What the schema's check asks for."""

    name: str
    people: int


@check("plain")
def plain() -> str:
    """An answer."""
    answer = client.chat.completions.create(model="dari/routing", messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens > 0
    assert answer.choices[0].finish_reason == "stop"
    return f"answer.model {answer.model}"


@check("stream")
def stream() -> str:
    """An answer in pieces."""
    text, usage = "", None
    options = {"include_usage": True}
    for chunk in client.chat.completions.create(
        model="dari/routing", messages=HELLO, stream=True, stream_options=options
    ):
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        usage = chunk.usage or usage
    assert text
    assert chunk.model == "simulated/swift"
    assert usage.completion_tokens > 0
    return f"{usage.total_tokens} tokens, {chunk.model}"


@check("tools")
def tools() -> str:
    """A tool call, and the answer to its result."""
    asked = [{"role": "user", "content": "What is the weather in Rome?"}]
    first = client.chat.completions.create(model="dari/routing", messages=asked, tools=[WEATHER]).choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls
    assert "city" in json.loads(call.function.arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": "18 °C, clear"}
    second = client.chat.completions.create(
        model="dari/routing", messages=[*asked, first.message, result], tools=[WEATHER]
    )
    assert second.choices[0].message.content
    return f"{call.function.name}({call.function.arguments})"


@check("tools-stream")
def tools_in_a_stream() -> str:
    """The client puts a tool call's pieces together."""
    asked = [{"role": "user", "content": "What is the weather in Rome?"}]
    with client.chat.completions.stream(model="dari/routing", messages=asked, tools=[WEATHER]) as events:
        final = events.get_final_completion().choices[0]
    (call,) = final.message.tool_calls
    assert "city" in json.loads(call.function.arguments)
    return f"{call.function.name}({call.function.arguments})"


@check("schema")
def schema() -> str:
    """An object of a given class, whole and from a stream."""
    asked = [{"role": "user", "content": "Name a city."}]
    answer = client.chat.completions.parse(model="dari/routing", messages=asked, response_format=City)
    city = answer.choices[0].message.parsed
    assert isinstance(city, City)
    with client.chat.completions.stream(model="dari/routing", messages=asked, response_format=City) as events:
        assert isinstance(events.get_final_completion().choices[0].message.parsed, City)
    return repr(city)


@check("instructions")
def instructions() -> str:
    """One request steered in plain English."""
    answer = client.chat.completions.create(
        model="dari/routing", messages=HELLO, extra_body={"routing": {"instructions": "Only use sage."}}
    )
    assert answer.model == "simulated/sage"
    return answer.model


@check("reason")
def reason() -> str:
    """Why this model: OpenAI's client keeps fields that it does not know."""
    answer = client.chat.completions.create(model="dari/routing", messages=HELLO)
    assert answer.dari_routing["selected_model"] == answer.model
    return answer.dari_routing["reason"]


@check("feedback")
def feedback() -> str:
    """A score for an answer, and for one that was streamed."""
    answer = client.chat.completions.create(model="dari/routing", messages=HELLO)
    for chunk in client.chat.completions.create(model="dari/routing", messages=HELLO, stream=True):
        streamed = chunk.id
    send_score(streamed, 0.5)
    return send_score(answer.id, 0.9)


@check("error")
def error() -> str:
    """A refused request."""
    seen = raised(lambda: client.chat.completions.create(model="gpt-4o", messages=HELLO), openai.BadRequestError)
    assert (seen.status_code, seen.code, seen.param) == (400, "model_not_supported", "model")
    assert seen.request_id.startswith("req_")
    return f"{type(seen).__name__} {seen.status_code} {seen.code} param={seen.param}: {seen.body['message']}"


@check("key")
def key() -> str:
    """A wrong key."""
    wrong = client.with_options(api_key="wrong")
    seen = raised(
        lambda: wrong.chat.completions.create(model="dari/routing", messages=HELLO), openai.AuthenticationError
    )
    assert (seen.status_code, seen.code) == (401, "invalid_api_key")
    return f"{type(seen).__name__} {seen.status_code} {seen.code}: {seen.body['message']}"


@check("cut")
def cut() -> str:
    """A stream that breaks off after it has begun."""
    other = client.with_options(base_url=CUT_URL)
    said: list[str] = []

    def read() -> None:
        chunks = other.chat.completions.create(model="dari/routing", messages=HELLO, stream=True)
        said.extend(chunk.choices[0].delta.content or "" for chunk in chunks)

    seen = raised(read, openai.APIError)
    assert "".join(said)
    return f"{type(seen).__name__} {seen.code}: {seen.message}"


run()
