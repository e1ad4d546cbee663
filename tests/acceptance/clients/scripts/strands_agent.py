"""The gateway from Strands Agents."""

from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering
from strands import Agent, tool
from strands.models.openai import OpenAIModel


@tool
def weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: Its name.
    """
    return f"18 degrees in {city}"


def model(**fields: object) -> OpenAIModel:
    return OpenAIModel(
        client_args={"base_url": BASE_URL, "api_key": KEY, "max_retries": 0, **fields}, model_id="dari/routing"
    )


@check("stream")
def stream() -> str:
    """An answer, always in pieces."""
    answer = Agent(model=model(), callback_handler=None)("Say hello.")
    return str(answer)


@check("tools")
def tools() -> str:
    """A run of two completions."""
    answer = Agent(model=model(), tools=[weather], callback_handler=None)("What is the weather in Rome?")
    assert str(answer)
    return str(answer)


@check("steered")
def steered() -> str:
    """Headers of a client."""
    Agent(model=model(default_headers=steering("run-strands")), callback_handler=None)("Say hello.")
    return send_score_of_episode("run-strands", 0.9)


run()
