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
    }
)
"""Check → what must hold."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client. `requirement` is pip's; a client without one is among those of scripts/package.json.

    Both pin the minor version, so that a run tests the gateway, not a client's new release.
    `cannot` gives, by check, why the client itself can't do it, whatever the gateway does.
    """

    name: str
    package: str
    script: str
    requirement: str | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)


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
)
