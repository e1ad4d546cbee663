"""The gateway from LiteLLM, used as a client library."""

import json

import litellm
from checking import BASE_URL, CUT_URL, KEY, check, raised, run, send_score
from pydantic import BaseModel

litellm.suppress_debug_info = True  # its advice on errors goes to stdout
GATEWAY = {"model": "openai/dari/routing", "api_base": BASE_URL, "api_key": KEY, "num_retries": 0}
HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class City(BaseModel):
    """A city."""

    name: str
    people: int


@check("plain")
def plain() -> str:
    """An answer."""
    answer = litellm.completion(**GATEWAY, messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens > 0
    return f"answer.model {answer.model}"


@check("stream")
def stream() -> str:
    """An answer in pieces."""
    chunks = litellm.completion(**GATEWAY, messages=HELLO, stream=True, stream_options={"include_usage": True})
    answered_by = chunks._response_headers["x-router-selected-model"]  # its parts keep the name that was asked for
    parts = list(chunks)
    whole = litellm.stream_chunk_builder(parts)
    assert whole.choices[0].message.content
    assert whole.usage.completion_tokens > 0
    assert answered_by == "simulated/swift"
    return f"{whole.usage.total_tokens} tokens in {len(parts)} pieces, {answered_by}"


@check("tools")
def tools() -> str:
    """A tool call, and the answer to its result."""
    asked = [{"role": "user", "content": "What is the weather in Rome?"}]
    first = litellm.completion(**GATEWAY, messages=asked, tools=[WEATHER]).choices[0].message
    (call,) = first.tool_calls
    assert "city" in json.loads(call.function.arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": "18 °C, clear"}
    second = litellm.completion(**GATEWAY, messages=[*asked, first, result], tools=[WEATHER])
    assert second.choices[0].message.content
    return f"{call.function.name}({call.function.arguments})"


@check("tools-stream")
def tools_in_a_stream() -> str:
    """A tool call in pieces, which the client puts together."""
    asked = [{"role": "user", "content": "What is the weather in Rome?"}]
    parts = list(litellm.completion(**GATEWAY, messages=asked, tools=[WEATHER], stream=True))
    (call,) = litellm.stream_chunk_builder(parts).choices[0].message.tool_calls
    assert "city" in json.loads(call.function.arguments)
    return f"{call.function.name}({call.function.arguments})"


@check("schema")
def schema() -> str:
    """An object of a given class, by JSON schema."""
    asked = [{"role": "user", "content": "Name a city."}]
    answer = litellm.completion(**GATEWAY, messages=asked, response_format=City)
    return repr(City.model_validate_json(answer.choices[0].message.content))


@check("instructions")
def instructions() -> str:
    """One request steered in plain English."""
    wish = {"routing": {"instructions": "Only use sage."}}
    answer = litellm.completion(**GATEWAY, messages=HELLO, extra_body=wish)
    assert "sage" in answer.model
    return answer.model


@check("reason")
def reason() -> str:
    """Why this model."""
    return litellm.completion(**GATEWAY, messages=HELLO).dari_routing["reason"]


@check("feedback")
def feedback() -> str:
    """A score for an answer, and for one that was streamed."""
    for part in litellm.completion(**GATEWAY, messages=HELLO, stream=True):
        streamed = part.id
    send_score(streamed, 0.5)
    return send_score(litellm.completion(**GATEWAY, messages=HELLO).id, 0.9)


@check("error")
def error() -> str:
    """A refused request."""
    seen = raised(
        lambda: litellm.completion(**GATEWAY | {"model": "openai/gpt-4o"}, messages=HELLO), litellm.BadRequestError
    )
    return f"{type(seen).__name__} {seen.status_code} {seen.code} param={seen.param}: {seen.message}"


@check("key")
def key() -> str:
    """A wrong key."""
    seen = raised(
        lambda: litellm.completion(**GATEWAY | {"api_key": "wrong"}, messages=HELLO), litellm.AuthenticationError
    )
    return f"{type(seen).__name__} {seen.status_code} {seen.code}: {seen.message}"


@check("cut")
def cut() -> str:
    """A stream that breaks off after it has begun."""
    said: list[str] = []

    def read() -> None:
        parts = litellm.completion(**GATEWAY | {"api_base": CUT_URL}, messages=HELLO, stream=True)
        said.extend(part.choices[0].delta.content or "" for part in parts)

    seen = raised(read, litellm.APIError, litellm.exceptions.MidStreamFallbackError)
    assert "".join(said)
    return f"{type(seen).__name__}: {seen}"


run()
