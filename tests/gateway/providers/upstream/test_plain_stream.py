"""A whole answer as a stream, with the official client's types as the judge."""

import json
from typing import Any

import msgspec
from openai.types.chat import ChatCompletionChunk

from gateway.providers.openai.responses import ChunkReader, read_answer
from gateway.providers.upstream.plain_stream import chunks_of
from gateway.providers.upstream.provider import Chunk

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def streamed(*choices: dict[str, Any], **more: Any) -> list[Chunk]:
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": list(choices), **more}
    chunks = chunks_of(read_answer(json.dumps(whole).encode()))
    for chunk in chunks:
        fields = {name: msgspec.json.decode(raw) for name, raw in chunk.fields.items()}
        ChatCompletionChunk.model_validate({**fields, "object": "chat.completion.chunk"})
    return chunks


def choice(index: int = 0, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {"index": index, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}


def deltas(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [each for chunk in chunks for each in msgspec.json.decode(chunk.fields["choices"])]


def test_each_choice_is_said_and_then_ends() -> None:
    chunks = streamed(choice(content="Hel"), choice(1, "length", content="lo"), usage=USAGE, system_fingerprint="fp")
    assert [(each["index"], each["delta"].get("content"), each["finish_reason"]) for each in deltas(chunks)] == [
        (0, "Hel", None),
        (1, "lo", None),
        (0, None, "stop"),
        (1, None, "length"),
    ]
    assert "".join(chunk.text for chunk in chunks) == "Hel"
    assert sum(chunk.text_bytes for chunk in chunks) == len("Hello")
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert all(chunk.fields["system_fingerprint"] == msgspec.Raw(b'"fp"') for chunk in chunks)


def test_the_usage_comes_last_and_is_told_once() -> None:
    chunks = streamed(choice(content="a"), usage=USAGE)
    assert [chunk.usage is not None for chunk in chunks] == [False, False, True]
    assert msgspec.json.decode(chunks[-1].fields["usage"]) == USAGE
    assert all("usage" not in chunk.fields for chunk in chunks[:-1])
    assert all(chunk.usage is None for chunk in streamed(choice(content="a")))


def test_tool_calls_are_numbered_as_streams_number_them() -> None:
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for n in range(2)]
    chunks = streamed(choice(finish="tool_calls", tool_calls=calls))
    assert [call["index"] for call in deltas(chunks)[0]["delta"]["tool_calls"]] == [0, 1]


def test_a_reader_of_streams_finds_the_answer_in_it() -> None:
    reader = ChunkReader()
    read = [reader.read(msgspec.json.encode(chunk.fields)) for chunk in streamed(choice(content="a"), usage=USAGE)]
    assert "".join(chunk.text for chunk in read if chunk) == "a"
    assert (reader.alive, reader.finished) == (True, True)
    assert any(chunk.usage for chunk in read if chunk)
