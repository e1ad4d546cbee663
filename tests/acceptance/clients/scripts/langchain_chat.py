"""The gateway from LangChain's `ChatOpenAI`."""

import openai
from checking import BASE_URL, CUT_URL, KEY, check, raised, run, send_score
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

chat = ChatOpenAI(
    model="dari/routing",
    base_url=BASE_URL,
    api_key=KEY,
    max_retries=0,
    stream_usage=True,  # tokens of streams; off by default with a base URL
    include_response_headers=True,  # x-request-id: a stream's own id is not kept
)


class City(BaseModel):
    """A city."""

    name: str
    people: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"18 °C and clear in {city}"


@check("plain")
def plain() -> str:
    """An answer."""
    answer = chat.invoke("Say hello.")
    assert answer.content
    assert answer.usage_metadata["output_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"
    return f"response_metadata['model_name'] {answer.response_metadata['model_name']}"


@check("stream")
def stream() -> str:
    """An answer in pieces, which add up."""
    parts = list(chat.stream("Say hello."))
    whole = sum(parts[1:], parts[0])
    assert whole.content
    assert whole.usage_metadata["output_tokens"] > 0
    assert whole.response_metadata["model_name"] == "simulated/swift"
    return f"{whole.usage_metadata['total_tokens']} tokens in {len(parts)} pieces"


@check("tools")
def tools() -> str:
    """A tool call, and the answer to its result."""
    asked = [HumanMessage("What is the weather in Rome?")]
    able = chat.bind_tools([weather])
    first = able.invoke(asked)
    (call,) = first.tool_calls
    result = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
    assert able.invoke([*asked, first, result]).content
    return f"{call['name']}({call['args']})"


@check("tools-stream")
def tools_in_a_stream() -> str:
    """A tool call in pieces, which add up."""
    parts = list(chat.bind_tools([weather]).stream("What is the weather in Rome?"))
    (call,) = sum(parts[1:], parts[0]).tool_calls
    assert call["args"]["city"]
    return f"{call['name']}({call['args']})"


@check("schema")
def schema() -> str:
    """An object of a given class, by JSON schema and by a tool call."""
    city = chat.with_structured_output(City).invoke("Name a city.")
    assert isinstance(city, City)
    assert isinstance(chat.with_structured_output(City, method="function_calling").invoke("Name a city."), City)
    return repr(city)


@check("instructions")
def instructions() -> str:
    """Requests steered in plain English: of one call, and of every call of a client."""
    wish = {"routing": {"instructions": "Only use sage."}}
    answer = chat.invoke("Say hello.", extra_body=wish)
    assert answer.response_metadata["model_name"] == "simulated/sage"
    steered = ChatOpenAI(model="dari/routing", base_url=BASE_URL, api_key=KEY, extra_body=wish)
    assert steered.invoke("Say hello.").response_metadata["model_name"] == "simulated/sage"
    return answer.response_metadata["model_name"]


@check("reason")
def reason() -> str:
    """Why this model."""
    answer = chat.invoke("Say hello.")
    return str({**answer.additional_kwargs, **answer.response_metadata}["dari_routing"]["reason"])


@check("feedback")
def feedback() -> str:
    """A score for an answer, and for one that was streamed: by the id of the HTTP answer."""
    parts = list(chat.stream("Say hello."))
    send_score(sum(parts[1:], parts[0]).response_metadata["headers"]["x-request-id"], 0.5)
    answer = chat.invoke("Say hello.")
    return send_score(answer.response_metadata["id"], 0.9)


@check("error")
def error() -> str:
    """A refused request: the exception is that of OpenAI's client."""
    other = ChatOpenAI(model="gpt-4o", base_url=BASE_URL, api_key=KEY)
    seen = raised(lambda: other.invoke("Say hello."), openai.BadRequestError)
    assert (seen.status_code, seen.code, seen.param) == (400, "model_not_supported", "model")
    return f"{type(seen).__name__} {seen.status_code} {seen.code} param={seen.param}: {seen.body['message']}"


@check("key")
def key() -> str:
    """A wrong key."""
    wrong = ChatOpenAI(model="dari/routing", base_url=BASE_URL, api_key="wrong")
    seen = raised(lambda: wrong.invoke("Say hello."), openai.AuthenticationError)
    assert (seen.status_code, seen.code) == (401, "invalid_api_key")
    return f"{type(seen).__name__} {seen.status_code} {seen.code}: {seen.body['message']}"


@check("cut")
def cut() -> str:
    """A stream that breaks off after it has begun."""
    other = ChatOpenAI(model="dari/routing", base_url=CUT_URL, api_key=KEY, max_retries=0)
    said: list[str] = []

    def read() -> None:
        said.extend(part.content for part in other.stream("Say hello."))

    seen = raised(read, openai.APIError)
    assert "".join(said)
    return f"{type(seen).__name__} {seen.code}: {seen.message}"


run()
