"""The gateway from LlamaIndex."""

import asyncio

from checking import BASE_URL, KEY, check, run, send_score, send_score_of_episode, steering
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

ASKED = [ChatMessage(role="user", content="Say hello.")]


def weather(city: str) -> str:
    """The weather in a city."""
    return f"18 degrees in {city}"


def llm(**fields: object) -> OpenAILike:
    return OpenAILike(
        model="dari/routing",
        api_base=BASE_URL,
        api_key=KEY,
        is_chat_model=True,
        is_function_calling_model=True,
        context_window=100_000,
        max_retries=0,
        **fields,
    )


@check("plain")
def plain() -> str:
    """An answer."""
    answer = llm().chat(ASKED)
    assert answer.message.content
    return f"raw.model {answer.raw.model}"


@check("stream")
def stream() -> str:
    """An answer in pieces."""
    pieces = list(llm().stream_chat(ASKED))
    assert pieces[-1].message.content
    return f"{len(pieces)} pieces"


@check("tools")
def tools() -> str:
    """An agent's run."""

    async def go() -> str:
        return str(await FunctionAgent(tools=[weather], llm=llm()).run("What is the weather in Rome?"))

    return asyncio.run(go())


@check("feedback")
def feedback() -> str:
    """The id of an answer."""
    return send_score(llm().chat(ASKED).raw.id, 0.9)


@check("steered")
def steered() -> str:
    """Headers of an LLM."""
    llm(default_headers=steering("run-llama-index")).chat(ASKED)
    return send_score_of_episode("run-llama-index", 0.9)


run()
