"""The gateway from LangChain's agent, which is a graph of LangGraph."""

from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"18 °C and clear in {city}"


def agent(**fields: object):
    chat = ChatOpenAI(model="dari/routing", base_url=BASE_URL, api_key=KEY, max_retries=0, **fields)
    return create_agent(chat, [weather])


ASKED = {"messages": [("user", "What is the weather in Rome?")]}


@check("tools")
def tools() -> str:
    """A run of two completions."""
    messages = agent().invoke(ASKED)["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    return messages[-1].content


@check("stream")
def stream() -> str:
    """A run in pieces."""
    pieces = list(agent().stream(ASKED, stream_mode="messages"))
    assert len(pieces) > 4
    return f"{len(pieces)} pieces"


@check("responses")
def responses() -> str:
    """The same by the Responses API."""
    messages = agent(use_responses_api=True, store=False).invoke(ASKED)["messages"]
    assert messages[-1].text
    return str(messages[-1].text)


@check("steered")
def steered() -> str:
    """A run steered by headers, and scored as a whole."""
    agent(default_headers=steering("run-langgraph")).invoke(ASKED)
    return send_score_of_episode("run-langgraph", 0.9)


run()
