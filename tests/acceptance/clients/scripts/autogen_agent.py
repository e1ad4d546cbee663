"""The gateway from AutoGen."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering

INFO = {"vision": True, "function_calling": True, "json_output": True, "structured_output": True, "family": "unknown"}


async def weather(city: str) -> str:
    """The weather in a city."""
    return f"18 degrees in {city}"


def ask(**fields: object) -> str:
    async def go() -> str:
        client = OpenAIChatCompletionClient(
            model="dari/routing", base_url=BASE_URL, api_key=KEY, model_info=INFO, max_retries=0, **fields
        )
        agent = AssistantAgent("helper", client, tools=[weather], reflect_on_tool_use=True)
        result = await agent.run(task="What is the weather in Rome?")
        await client.close()
        return str(result.messages[-1].content)

    return asyncio.run(go())


@check("tools")
def tools() -> str:
    """A run of two completions."""
    return ask()


@check("steered")
def steered() -> str:
    """Headers of a client."""
    ask(default_headers=steering("run-autogen"))
    return send_score_of_episode("run-autogen", 0.9)


run()
