"""The gateway from Semantic Kernel."""

import asyncio

from checking import BASE_URL, KEY, check, run, send_score, send_score_of_episode, steering
from openai import AsyncOpenAI
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.contents import ChatHistory


def service(**fields: object) -> OpenAIChatCompletion:
    client = AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, **fields)
    return OpenAIChatCompletion(ai_model_id="dari/routing", async_client=client)


def history() -> ChatHistory:
    chat = ChatHistory()
    chat.add_user_message("Say hello.")
    return chat


@check("plain")
def plain() -> str:
    """An answer."""
    answer = asyncio.run(service().get_chat_message_content(history(), OpenAIChatPromptExecutionSettings()))
    assert str(answer)
    return str(answer)


@check("stream")
def stream() -> str:
    """An answer in pieces."""

    async def read() -> int:
        pieces = service().get_streaming_chat_message_content(history(), OpenAIChatPromptExecutionSettings())
        return len([piece async for piece in pieces])

    return f"{asyncio.run(read())} pieces"


@check("feedback")
def feedback() -> str:
    """The id of an answer."""
    answer = asyncio.run(service().get_chat_message_content(history(), OpenAIChatPromptExecutionSettings()))
    return send_score(answer.metadata["id"], 0.9)


@check("steered")
def steered() -> str:
    """Headers of a client."""
    chat = service(default_headers=steering("run-semantic-kernel"))
    asyncio.run(chat.get_chat_message_content(history(), OpenAIChatPromptExecutionSettings()))
    return send_score_of_episode("run-semantic-kernel", 0.9)


run()
