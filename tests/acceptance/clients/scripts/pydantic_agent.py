"""The gateway from Pydantic AI."""

from checking import BASE_URL, CUT_URL, KEY, check, raised, run, send_score
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def model(name: str = "dari/routing", base_url: str = BASE_URL, api_key: str = KEY) -> OpenAIChatModel:
    """The gateway as a model."""
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=base_url, api_key=api_key))


class City(BaseModel):
    """A city."""

    name: str
    people: int


agent = Agent(model())
able = Agent(model())


@able.tool_plain
def weather(city: str) -> str:
    """The weather in a city."""
    return f"18 °C and clear in {city}"


def tool_calls(messages: list[object]) -> list[ToolCallPart]:
    """The tool calls in a run's messages."""
    answers = [message for message in messages if isinstance(message, ModelResponse)]
    return [part for answer in answers for part in answer.parts if isinstance(part, ToolCallPart)]


@check("plain")
def plain() -> str:
    """An answer."""
    ran = agent.run_sync("Say hello.")
    assert ran.output
    assert ran.response.usage.output_tokens > 0
    assert ran.response.finish_reason == "stop"
    return f"response.model_name {ran.response.model_name}"


@check("stream")
def stream() -> str:
    """An answer in pieces."""
    ran = agent.run_stream_sync("Say hello.")
    text = "".join(ran.stream_text(delta=True))
    assert text
    assert ran.response.usage.output_tokens > 0
    assert ran.response.model_name == "simulated/swift"
    return f"{ran.response.usage.total_tokens} tokens, {ran.response.model_name}"


@check("tools")
def tools() -> str:
    """A tool call, and the answer to its result."""
    ran = able.run_sync("What is the weather in Rome?")
    (call,) = tool_calls(ran.all_messages())
    assert ran.output
    return f"{call.tool_name}({call.args})"


@check("tools-stream")
def tools_in_a_stream() -> str:
    """A tool call in pieces, and the answer to its result."""
    ran = able.run_stream_sync("What is the weather in Rome?")
    assert "".join(ran.stream_text(delta=True))
    (call,) = tool_calls(ran.all_messages())
    return f"{call.tool_name}({call.args})"


@check("schema")
def schema() -> str:
    """An object of a given class, by JSON schema and by a tool call, which is the default."""
    city = Agent(model(), output_type=NativeOutput(City)).run_sync("Name a city.").output
    assert isinstance(city, City)
    assert isinstance(Agent(model(), output_type=City).run_sync("Name a city.").output, City)
    return repr(city)


@check("instructions")
def instructions() -> str:
    """One run steered in plain English."""
    wish = {"extra_body": {"routing": {"instructions": "Only use sage."}}}
    ran = agent.run_sync("Say hello.", model_settings=wish)
    assert ran.response.model_name == "simulated/sage"
    return ran.response.model_name


@check("reason")
def reason() -> str:
    """Why this model: fields that OpenAI's answers don't have are kept on request."""
    ran = agent.run_sync("Say hello.", model_settings={"openai_include_unmapped_response_data": True})
    return ran.response.provider_details["unmapped"]["response"]["dari_routing"]["reason"]


@check("feedback")
def feedback() -> str:
    """A score for an answer, and for one that was streamed."""
    streamed = agent.run_stream_sync("Say hello.")
    assert streamed.get_output()
    send_score(streamed.response.provider_response_id, 0.5)
    ran = agent.run_sync("Say hello.")
    return send_score(ran.response.provider_response_id, 0.9)


@check("error")
def error() -> str:
    """A refused request."""
    seen = raised(lambda: Agent(model("gpt-4o")).run_sync("Say hello."), ModelHTTPError)
    assert (seen.status_code, seen.body["code"], seen.body["param"]) == (400, "model_not_supported", "model")
    return f"{type(seen).__name__} {seen.status_code} {seen.body['code']}: {seen.body['message']}"


@check("key")
def key() -> str:
    """A wrong key."""
    seen = raised(lambda: Agent(model(api_key="wrong")).run_sync("Say hello."), ModelHTTPError)
    assert (seen.status_code, seen.body["code"]) == (401, "invalid_api_key")
    return f"{type(seen).__name__} {seen.status_code} {seen.body['code']}: {seen.body['message']}"


@check("cut")
def cut() -> str:
    """A stream that breaks off after it has begun."""
    said: list[str] = []

    def read() -> None:
        ran = Agent(model(base_url=CUT_URL)).run_stream_sync("Say hello.")
        said.extend(ran.stream_text(delta=True, debounce_by=None))

    seen = raised(read, ModelAPIError)
    assert "".join(said)
    return f"{type(seen).__name__}: {seen}"


run()
