"""The clients to try, their requirements, and checks that they are known to fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "plain": "an answer, the model that gave it, its tokens",
        "stream": "an answer in pieces, with its tokens",
        "tools": "a tool call, and the answer to its result",
        "tools-stream": "the same in a stream",
        "schema": "an object that fits a JSON schema",
        "instructions": "routing.instructions decides who answers",
        "reason": "the reason of the choice can be read",
        "feedback": "whole and streamed answers can be scored",
        "error": "a refused request tells status, code and message",
        "key": "so does a wrong key",
        "cut": "a stream cut by its provider is an error",
        "page": "the example of docs/clients.md runs",
        "responses": "an answer by the Responses API",
        "steered": "headers say task, instructions and episode, and the episode can be scored",
    }
)
"""Check → what must hold."""

ALL = tuple(check for check in CHECKS if check not in {"responses", "steered"})
"""The checks of clients that have a section on the page; the others have a line there, and fewer checks."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client. `requirement` is pip's, of one or several packages; one without is among scripts/package.json.

    Both pin the minor version, so that a run tests the gateway, not a client's new release.
    `cannot` gives, by check, why the client itself can't do it, whatever the gateway does.
    """

    name: str
    package: str
    script: str
    requirement: str | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[str, ...] = ALL


_CHAT = ("plain", "stream", "steered")
_AGENT = ("responses", "stream", "tools", "steered")

CLIENTS: tuple[Client, ...] = (
    Client("openai", "openai", "openai_python.py", "openai~=3.54.0"),
    Client(
        "langchain",
        "langchain-openai",
        "langchain_chat.py",
        "langchain-openai~=1.7.0",
        {"reason": "it keeps no field of an answer that OpenAI's do not have"},
    ),
    Client("pydantic-ai", "pydantic-ai-slim", "pydantic_agent.py", "pydantic-ai-slim[openai]~=2.68.0"),
    Client("litellm", "litellm", "litellm_client.py", "litellm[mcp]~=1.106.0"),  # its tool calls import mcp
    Client("openai-node", "openai", "openai_node.mjs"),
    Client("ai-sdk", "@ai-sdk/openai-compatible", "ai_sdk.mjs"),
    Client("ai-sdk-openai", "@ai-sdk/openai", "ai_sdk_responses.mjs", checks=(*_AGENT, "schema", "feedback")),
    Client("agents", "openai-agents", "agents_sdk.py", "openai-agents~=0.24.0", checks=(*_AGENT, "schema")),
    Client("agents-js", "@openai/agents", "agents_js.mjs", checks=(*_AGENT, "feedback")),
    Client("codex", "@openai/codex", "codex_cli.mjs", checks=("responses", "tools", "steered")),
    Client("llm", "llm", "llm_cli.py", "llm~=0.36", checks=(*_CHAT, "tools", "schema")),
    Client(
        "inspect",
        "inspect-ai",
        "inspect_eval.py",
        "inspect-ai~=0.3.285 openai",
        checks=("plain", "responses", "tools", "steered"),
    ),
    Client(
        "instructor",
        "instructor",
        "instructor_client.py",
        "instructor~=1.17.0",
        checks=("tools", "schema", "stream", "feedback", "steered"),
    ),
    Client(
        "langgraph",
        "langgraph",
        "langgraph_agent.py",
        "langgraph~=1.2.24 langchain langchain-openai~=1.7.0",
        checks=_AGENT,
    ),
    Client("haystack", "haystack-ai", "haystack_pipeline.py", "haystack-ai~=3.4.1", checks=("plain", *_AGENT)),
    Client(
        "llama-index",
        "llama-index-llms-openai-like",
        "llama_index_llm.py",
        "llama-index-llms-openai-like~=0.8.1",
        checks=(*_CHAT, "tools", "feedback"),
    ),
    Client(
        "smolagents",
        "smolagents",
        "smolagents_agent.py",
        "smolagents[openai]~=1.26.0",
        checks=(*_CHAT, "tools", "feedback"),
    ),
    Client("dspy", "dspy", "dspy_program.py", "dspy~=3.4.1", checks=("plain", "responses", "steered")),
    Client(
        "strands",
        "strands-agents",
        "strands_agent.py",
        "strands-agents[openai]~=1.62.0",
        checks=("stream", "tools", "steered"),
    ),
    Client("agno", "agno", "agno_agent.py", "agno~=3.1.10 openai", checks=(*_CHAT, "responses")),
    Client(
        "autogen",
        "autogen-ext",
        "autogen_agent.py",
        "autogen-ext[openai]~=0.7.5 autogen-agentchat~=0.7.5",
        checks=("tools", "steered"),
    ),
    Client(
        "semantic-kernel",
        "semantic-kernel",
        "semantic_kernel_chat.py",
        "semantic-kernel~=1.45.0",
        checks=(*_CHAT, "feedback"),
    ),
    Client("crewai", "crewai", "crewai_crew.py", "crewai~=1.15.30", checks=_CHAT),
    Client("magentic", "magentic", "magentic_function.py", "magentic~=0.41.1", checks=("plain", "schema")),
    Client("aider", "aider-chat", "aider_cli.py", "aider-chat~=0.86.2", checks=("stream", "steered")),
)
