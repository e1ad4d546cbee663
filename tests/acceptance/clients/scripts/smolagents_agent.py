"""The gateway from smolagents."""

from checking import BASE_URL, KEY, check, run, send_score, send_score_of_episode, steering
from smolagents import OpenAIServerModel, tool

ASKED = [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}]


@tool
def weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: Its name.
    """
    return f"18 degrees in {city}"


def model(**fields: object) -> OpenAIServerModel:
    return OpenAIServerModel("dari/routing", api_base=BASE_URL, api_key=KEY, **fields)


@check("plain")
def plain() -> str:
    """An answer."""
    answer = model().generate(ASKED)
    assert answer.content
    return f"raw.model {answer.raw.model}"


@check("stream")
def stream() -> str:
    """An answer in pieces."""
    pieces = list(model().generate_stream(ASKED))
    assert len(pieces) > 2
    return f"{len(pieces)} pieces"


@check("tools")
def tools() -> str:
    """A tool call."""
    answer = model().generate(ASKED, tools_to_call_from=[weather])
    (call, *_) = answer.tool_calls
    return f"{call.function.name}({call.function.arguments})"


@check("feedback")
def feedback() -> str:
    """The id of an answer."""
    return send_score(model().generate(ASKED).raw.id, 0.9)


@check("steered")
def steered() -> str:
    """Headers of every request of a model."""
    model(client_kwargs={"default_headers": steering("run-smolagents")}).generate(ASKED)
    return send_score_of_episode("run-smolagents", 0.9)


run()
