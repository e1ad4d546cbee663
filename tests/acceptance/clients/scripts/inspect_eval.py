"""The gateway from Inspect, by its default for OpenAI (Chat Completions) and by the Responses API."""

import asyncio

from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering
from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model
from inspect_ai.tool import ToolInfo, ToolParams
from inspect_ai.util import JSONSchema

ASKED = [ChatMessageUser(content="Say hello.")]
WEATHER = ToolInfo(
    name="weather",
    description="The weather in a city.",
    parameters=ToolParams(properties={"city": JSONSchema(type="string")}, required=["city"]),
)


def model(name: str = "openai-api/bandit/dari/routing", **more: object):
    return get_model(name, base_url=BASE_URL, api_key=KEY, memoize=False, **more)


@check("plain")
def plain() -> str:
    """An answer."""
    output = asyncio.run(model().generate(ASKED))
    assert output.completion
    assert output.usage.output_tokens > 0
    return f"{output.model}, {output.usage.total_tokens} tokens"


@check("responses")
def responses() -> str:
    """An answer by the Responses API, which its provider `openai` uses."""
    output = asyncio.run(model("openai/dari/routing", responses_api=True).generate(ASKED))
    assert output.completion
    return f"{output.model}, {output.usage.total_tokens} tokens"


@check("tools")
def tools() -> str:
    """A tool call."""
    output = asyncio.run(model().generate([ChatMessageUser(content="What is the weather in Rome?")], tools=[WEATHER]))
    (call,) = output.message.tool_calls
    return f"{call.function}({call.arguments})"


@check("steered")
def steered() -> str:
    """Headers of a generation."""
    asyncio.run(model().generate(ASKED, config=GenerateConfig(extra_headers=steering("run-inspect"))))
    return send_score_of_episode("run-inspect", 0.9)


run()
