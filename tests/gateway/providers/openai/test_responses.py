"""A stream is read and told alike, whether its chunks are parsed one by one or compared with those before."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.completions.response import Envelope
from gateway.providers.openai import responses
from gateway.providers.openai.responses import ChunkReader
from gateway.providers.upstream.caller import read_events
from gateway.providers.upstream.provider import Chunk, ProviderError
from gateway.providers.upstream.shortcut import RunShortcut
from gateway.providers.upstream.sse import EventParser
from gateway.providers.upstream.stream_limits import StreamLimits
from gateway.providers.upstream.template import Run, Template

Told = tuple[bytes, str, list[tuple[object, ...]]]

TEXTS = st.one_of(
    st.sampled_from([" tok", "\n", '"', "\\", "é", "😀", "", '"content":"x"', '"}', '","obfuscation":"a"}']),
    st.text(max_size=8),
)
DELTAS = st.one_of(
    *[st.builds(lambda text: {"content": text}, TEXTS)] * 6,
    st.sampled_from([{}, {"role": "assistant", "content": ""}, {"content": None}, {"refusal": "no"}]),
    st.builds(lambda text: {"content": text, "reasoning": "so"}, TEXTS),
    st.builds(lambda text: {"content": text, "extra": {"content": "y"}}, TEXTS),
    st.builds(lambda text: {"content": [{"type": "text", "text": text}]}, TEXTS),
    st.just({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}),
)
AFTER = st.one_of(
    st.builds(lambda letters: {"usage": None, "obfuscation": letters}, st.text("aZ9", max_size=4)),
    st.builds(lambda letters: {"p": letters}, st.text('aZ9"é', max_size=4)),
    st.just({"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
    *[st.just({})] * 4,
)


@st.composite
def events(draw: st.DrawFn) -> bytes:
    index, finish = draw(st.sampled_from([0, 0, 0, 0, 1])), draw(st.sampled_from([None, None, None, None, "stop"]))
    choice = {"index": index, "delta": draw(DELTAS), "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **draw(AFTER)}
    compact = draw(st.booleans())
    text = json.dumps(chunk, separators=(",", ":") if compact else None, ensure_ascii=draw(st.booleans()))
    event = text.encode("utf-8", "replace")
    at = draw(st.integers(-2_000, len(event)))  # rarely a byte that is another one
    return event if at < 0 else event[:at] + draw(st.sampled_from([b"", b'"', b"x", b"\\", b"\n"])) + event[at + 1 :]


class Relay:
    """Takes runs: every one, or none."""

    def __init__(self, *, takes: bool) -> None:
        self.takes = takes
        self.taken: list[Run] = []

    def __call__(self, run: Run) -> bool:
        if self.takes:
            self.taken.append(run)
        return self.takes


async def relayed(stream: Sequence[bytes], at_once: int, relay: Relay) -> Told:
    return told(stream, at_once, RunShortcut(relay, StreamLimits(1.0, 1.0, 0.0)), relay)


def told(
    stream: Sequence[bytes], at_once: int = 1, shortcut: RunShortcut | None = None, relay: Relay | None = None
) -> Told:
    """What a stream tells its client, its text, and what is read of so many events at once."""
    reader, envelope = ChunkReader(choices=2), Envelope("req_1", 1, "ours", "why", keeps_text=True)
    parser, written, read = EventParser(), b"", list[tuple[object, ...]]()
    for start in range(0, len(stream), at_once):
        chunks = list[Chunk]()
        body = b"".join(b"data: %b\n\n" % event for event in stream[start : start + at_once])
        ready = None if shortcut is None else shortcut.ready(reader, parser, 0.0)
        try:
            if ready is not None and relay is not None and ready.take(body):
                run = relay.taken.pop()
                chunks.append(Chunk({}, says=True, text_bytes=run.text_bytes, text="".join(run.texts), run=run))
            else:
                read_events(parser.feed(body), reader, chunks)
        except ProviderError as error:
            read.append((error.verdict, error.message))
        text = "".join(chunk.text for chunk in chunks)
        assert sum(chunk.text_bytes for chunk in chunks if chunk.run) == sum(
            len(chunk.text.encode()) for chunk in chunks if chunk.run
        )
        finishes = [(chunk.finish_reason, chunk.usage) for chunk in chunks if chunk.finish_reason or chunk.usage]
        lives = any(chunk.says for chunk in chunks), any(chunk.thinks for chunk in chunks)
        flags = (reader.alive, reader.finished, reader.complete, reader.ended)
        read.append((sum(chunk.text_bytes for chunk in chunks), text, finishes, lives, flags))
        written += envelope.chunks(chunks)
    return written, envelope.text(), read


@given(st.lists(events(), min_size=2, max_size=12), st.sampled_from([1, 1, 3, 20]))
def test_a_chunk_like_those_before_is_told_as_if_it_were_parsed(stream: list[bytes], at_once: int) -> None:
    found = told(stream, at_once)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(responses, "_MOST_TEMPLATES", 0)
        assert found == told(stream, at_once)


@given(st.lists(events(), min_size=2, max_size=12), st.sampled_from([1, 1, 3, 20]), st.booleans())
def test_a_shortcut_tells_the_same(stream: list[bytes], at_once: int, takes: bool) -> None:
    assert asyncio.run(relayed(stream, at_once, Relay(takes=takes))) == told(stream, at_once)


@pytest.mark.parametrize("after", ["", ',"usage":null,"obfuscation":"a1Z"'])
def test_chunks_that_differ_in_their_content_alone_are_parsed_once(after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = counted(monkeypatch, responses, "decode")
    event = '{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]%s}'
    stream = [(event % (json.dumps(f"word {number} é\n"), after)).encode() for number in range(50)]
    written, text, _ = told(stream)
    assert len(parsed) == 1
    assert text == "".join(f"word {number} é\n" for number in range(50))
    assert written.count(b"data: {") == 50
    assert (b"obfuscation" in written) == bool(after)


def test_a_stream_whose_chunks_are_never_alike_costs_few_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted(monkeypatch, Template, "of")
    event = '{"id":"%d","model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}'
    told([(event % number).encode() for number in range(50)])
    assert len(made) == 4


def counted(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[object]:
    """The calls of a function from now on."""
    calls, function = list[object](), getattr(owner, name)

    def call(*arguments: object) -> object:
        calls.append(arguments)
        return function(*arguments)

    monkeypatch.setattr(owner, name, call)
    return calls


@pytest.mark.parametrize("content", ['""', '"\\ud800"', '"a","more":"b"'])
def test_letters_beside_another_content_than_those_before_are_not_counted_with_them(content: str) -> None:
    like = '{{"choices":[{{"index":0,"delta":{{"content":{}}},"finish_reason":null}}],"obfuscation":"{}"}}'
    events = [like.format(*each).encode() for each in (('"a"', "aZ"), ('"b"', "9"), (content, "zz"), ('"c"', "x"))]
    chunks: list[Chunk] = []
    read_events(events, ChunkReader(), chunks)
    written = Envelope("req_1", 1, "p/m", "").chunks(chunks)
    told = [json.loads(event.removeprefix(b"data: ")) for event in written.split(b"\n\n")[:-1]]
    assert [each["obfuscation"] for each in told] == ["aZ", "9", "zz", "x"]
