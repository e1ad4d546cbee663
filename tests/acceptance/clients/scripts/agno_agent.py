"""The gateway from Agno."""

from agno.agent import Agent
from agno.models.openai import OpenAIResponses
from agno.models.openai.like import OpenAILike
from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering


def weather(city: str) -> str:
    """The weather in a city."""
    return f"18 degrees in {city}"


def agent(kind: type = OpenAILike, **fields: object) -> Agent:
    model = kind(id="dari/routing", base_url=BASE_URL, api_key=KEY, max_retries=0, **fields)
    return Agent(model=model, tools=[weather], telemetry=False)


@check("plain")
def plain() -> str:
    """A run with a tool call."""
    answer = agent().run("What is the weather in Rome?")
    assert answer.content
    assert not str(answer.content).startswith("Error")
    return str(answer.content)


@check("stream")
def stream() -> str:
    """A run in pieces."""
    pieces = list(agent().run("What is the weather in Rome?", stream=True))
    assert len(pieces) > 2
    return f"{len(pieces)} pieces"


@check("responses")
def responses() -> str:
    """The same by the Responses API, its default for OpenAI."""
    answer = agent(OpenAIResponses).run("What is the weather in Rome?")
    assert answer.status.value.lower() == "completed", answer.content
    return str(answer.content)


@check("steered")
def steered() -> str:
    """Headers of a model."""
    agent(default_headers=steering("run-agno")).run("Say hello.")
    return send_score_of_episode("run-agno", 0.9)


run()
