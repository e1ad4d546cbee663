"""What the load generator sends: one request again and again, a mixed day, or an agent's large requests."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from benchmarks.overhead.script import request_body

MIXED_REQUESTS = 1_000
MIXED_ROUTERS = 100

_WORDS = (
    "the parcel order customer reply invoice refund carrier please translate function returns wrong value when list is "
    "empty explain why this query takes so long which index would help write short friendly answer about delivery "
)
_TASKS = ("support", "code", "translation", "summary", "sql", "writing", "maths", "extraction")
_SEED = 20_261_126


class Traffic(StrEnum):
    """Kinds of requests."""

    SAME = "same"  # about 300 bytes
    MIXED = "mixed"  # MIXED_REQUESTS prompts of 20 to 4,000 characters; some with tools, a task, earlier turns
    MIXED_ONE = "mixed_one"  # the same, all of one router
    MIXED_STREAMS = "mixed_streams"  # of 100 routers, and a third of them streams
    AGENT_18K = "agent_18k"  # with 20 tools
    AGENT_114K = "agent_114k"  # with 80 tools
    AGENT_1M = "agent_1m"  # with 200 tools

    @property
    def routers(self) -> int:
        """How many routers are asked in turn."""
        return MIXED_ROUTERS if self in {Traffic.MIXED, Traffic.MIXED_STREAMS} else 1


_AGENTS = {Traffic.AGENT_18K: (18_000, 20), Traffic.AGENT_114K: (114_000, 80), Traffic.AGENT_1M: (1_000_000, 200)}


@dataclass(frozen=True, slots=True)
class Request:
    """The body of a request, and whether it asks for a stream."""

    body: bytes
    stream: bool = False


def requests_of(traffic: Traffic, model: str, *, stream: bool, pace_ms: int) -> Sequence[Request]:
    """The requests to send in turn, equal in each run."""
    if traffic is Traffic.SAME:
        return [Request(request_body(model, stream=stream, pace_ms=pace_ms), stream)]
    random = Random(_SEED)
    if traffic in _AGENTS:
        size, tools = _AGENTS[traffic]
        return [Request(_encoded(_agent_request(random, model, size, tools)))]
    streams = 3 if traffic is Traffic.MIXED_STREAMS else 0  # one in this many
    return [
        _mixed_request(random, model, stream=streams > 0 and number % streams == 0) for number in range(MIXED_REQUESTS)
    ]


def _mixed_request(random: Random, model: str, *, stream: bool) -> Request:
    messages = [
        {"role": "system", "content": f"You are assistant {random.randrange(12)} of a shop. {_text(random, 90)}"}
    ]
    for _ in range(random.choice((0, 0, 0, 1, 4))):
        messages.append({"role": "user", "content": _text(random, 80)})
        messages.append({"role": "assistant", "content": _text(random, 200)})
    messages.append({"role": "user", "content": _text(random, random.choice((20, 100, 100, 400, 1_500, 4_000)))})
    body: dict[str, object] = {"model": model, "messages": messages, "max_tokens": random.choice((100, 300, 1_000))}
    if random.random() < 0.15:
        body["tools"] = [_tool(random, number) for number in range(3)]
    if random.random() < 0.2:
        body["metadata"] = {"task": random.choice(_TASKS)}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return Request(_encoded(body), stream)


def _agent_request(random: Random, model: str, size: int, tools: int) -> dict[str, object]:
    """An agent's request: tools, and a long list of calls with their results, up to a size in bytes."""
    messages: list[dict[str, object]] = [
        {"role": "system", "content": _text(random, 2_000)},
        {"role": "user", "content": _text(random, 300)},
    ]
    body: dict[str, object] = {
        "model": model,
        "messages": messages,
        "tools": [_tool(random, number) for number in range(tools)],
        "max_tokens": 1_000,
    }
    size -= len(_encoded(body))
    number = 0
    while size > 0:
        call = {"name": f"tool_{number % tools}", "arguments": json.dumps({"path": _text(random, 40), "line": number})}
        turn: list[dict[str, object]] = [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"call_{number}", "type": "function", "function": call}],
            },
            {
                "role": "tool",
                "tool_call_id": f"call_{number}",
                "content": json.dumps({"rows": [[_text(random, 60), number]] * 8}),
            },
        ]
        messages += turn
        size -= len(_encoded(turn))
        number += 1
    return body


def _tool(random: Random, number: int) -> dict[str, object]:
    parameters = {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": _text(random, 60)},
            "line": {"type": "integer", "minimum": 0},
            "mode": {"enum": ["fast", "whole", "none"]},
        },
        "required": ["path"],
    }
    function = {"name": f"tool_{number}", "description": _text(random, 120), "parameters": parameters}
    return {"type": "function", "function": function}


def _text(random: Random, characters: int) -> str:
    words = " ".join(random.choices(_WORDS.split(), k=characters // 4))
    return words[:characters]


def _encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
