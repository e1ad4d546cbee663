"""The gateway from Haystack."""

from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator, OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret

ASKED = [ChatMessage.from_user("Say hello.")]
WEATHER = Tool(
    name="weather",
    description="The weather in a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    function=lambda city: f"18 degrees in {city}",
)


def generator(kind=OpenAIChatGenerator, **fields: object):
    return kind(model="dari/routing", api_base_url=BASE_URL, api_key=Secret.from_token(KEY), max_retries=0, **fields)


@check("plain")
def plain() -> str:
    """An answer."""
    (reply,) = generator().run(ASKED)["replies"]
    assert reply.text
    return f"meta {reply.meta['model']}, {reply.meta['usage']['total_tokens']} tokens"


@check("stream")
def stream() -> str:
    """An answer in pieces."""
    pieces = []
    generator(streaming_callback=pieces.append).run(ASKED)
    assert len(pieces) > 2
    return f"{len(pieces)} pieces"


@check("responses")
def responses() -> str:
    """An answer by the Responses API."""
    (reply,) = generator(OpenAIResponsesChatGenerator).run(ASKED)["replies"]
    assert reply.text
    return reply.text


@check("tools")
def tools() -> str:
    """An agent's run."""
    result = Agent(chat_generator=generator(), tools=[WEATHER]).run(
        [ChatMessage.from_user("What is the weather in Rome?")]
    )
    return result["messages"][-1].text


@check("steered")
def steered() -> str:
    """Headers of a generator."""
    headers = {"extra_headers": steering("run-haystack")}
    generator(generation_kwargs=headers).run(ASKED)
    return send_score_of_episode("run-haystack", 0.9)


run()
