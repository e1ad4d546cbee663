"""The gateway from OpenAI's Agents SDK, by its default, the Responses API."""

import asyncio

from agents import Agent, ModelSettings, Runner, function_tool, set_default_openai_client, set_tracing_disabled
from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering
from openai import AsyncOpenAI
from pydantic import BaseModel

set_tracing_disabled(True)  # it would send traces to OpenAI


class City(BaseModel):
    """A city."""

    name: str
    people: int


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"18 °C and clear in {city}"


def agent(**fields: object) -> Agent:
    set_default_openai_client(AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0))  # of this event loop
    return Agent(name="helper", model="openai/dari/routing", **fields)


@check("responses")
def responses() -> str:
    """An answer."""
    result = Runner.run_sync(agent(), "Say hello.")
    assert result.final_output
    usage = result.context_wrapper.usage
    assert usage.output_tokens > 0
    return f"{usage.total_tokens} tokens, raw_responses[0].response_id {result.raw_responses[0].response_id}"


@check("stream")
def stream() -> str:
    """An answer in pieces."""

    async def read() -> int:
        result = Runner.run_streamed(agent(), "Say hello.")
        return len([event async for event in result.stream_events()])

    return f"{asyncio.run(read())} events"


@check("tools")
def tools() -> str:
    """A run of two completions."""
    result = Runner.run_sync(agent(tools=[weather]), "What is the weather in Rome?")
    assert result.final_output
    assert len(result.raw_responses) == 2
    return str(result.final_output)


@check("schema")
def schema() -> str:
    """An object of a given class."""
    result = Runner.run_sync(agent(output_type=City), "Name a city.")
    assert isinstance(result.final_output, City)
    return repr(result.final_output)


@check("steered")
def steered() -> str:
    """A run steered and scored as a whole, by headers."""
    settings = ModelSettings(extra_headers=steering("run-agents"))
    result = Runner.run_sync(agent(tools=[weather], model_settings=settings), "What is the weather in Rome?")
    assert len(result.raw_responses) == 2
    return send_score_of_episode("run-agents", 0.9)


run()
