"""What a relay takes of a stream where its bytes are received, and that its limits hold all the same."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.types import Ending
from gateway.providers.http.client import HttpClient
from gateway.providers.openai.adapter import OpenAIProvider
from gateway.providers.upstream import stream_limits
from gateway.providers.upstream.provider import Call, Chunk, ProviderError
from gateway.providers.upstream.shortcut import _run_of
from gateway.providers.upstream.template import Run, Template
from gateway.settings import ProviderSettings
from tests.gateway.providers.upstream.test_caller import DONE, ROLE, STOP, WORD, text
from tests.support.sockets import Script, listening

PAUSE = 0.03
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def chunk(*events: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)


def sending(*parts: bytes | float, forever: bytes = b"") -> Script:
    """Sends each part in a write of its own, a pause behind it; a number is a longer pause."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in (HEAD, *parts):
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            await asyncio.sleep(part if isinstance(part, float) else PAUSE)
        while forever:
            writer.write(forever)
            await writer.drain()
            await asyncio.sleep(PAUSE)

    return send


class Client:
    """What a client is told, by the relay and by the stream; `takes` says of each run whether the relay takes it."""

    def __init__(self, takes: Callable[[Run], bool]) -> None:
        self._takes = takes
        self.told: list[str] = []
        self.runs = 0
        self.chunks: list[Chunk] = []
        self.error: ProviderError | None = None

    def relay(self, run: Run) -> bool:
        if not self._takes(run):
            return False
        self.runs += 1
        self.told += run.texts
        return True

    async def ask(self, script: Script, client: HttpClient, call: Call, idle_seconds: float = 20.0) -> None:
        async with listening(script) as port:
            url = f"http://127.0.0.1:{port}/v1"
            provider = OpenAIProvider(ProviderSettings("p", "openai", url, idle_seconds=idle_seconds), client)
            try:
                async for chunks in provider.stream(call, self.relay):
                    self.chunks += chunks
                    self.told.append(text(chunks))
            except ProviderError as error:
                self.error = error


def always(run: Run) -> bool:
    return True


async def test_chunks_like_those_before_go_to_the_relay_and_all_else_is_yielded(
    client: HttpClient, call: Callable[..., Call]
) -> None:
    words = [WORD.replace(b'"a"', b'"%c"' % letter) for letter in b"bcdefg"]
    script = sending(
        chunk(ROLE, WORD),
        chunk(words[0]),
        chunk(*words[1:3]),
        chunk(b": ping\n\n"),
        chunk(words[3])[:20],
        chunk(words[3])[20:],
        chunk(words[4]),
        chunk(words[5], STOP, DONE) + LAST,
    )
    asked = Client(always)
    await asked.ask(script, client, call("m"))
    assert asked.error is None
    assert "".join(asked.told) == "abcdefg"
    assert asked.runs == 3
    assert [chunk.finish_reason for chunk in asked.chunks if chunk.finish_reason] == ["stop"]


async def test_what_the_relay_refuses_is_yielded_in_its_place(client: HttpClient, call: Callable[..., Call]) -> None:
    words = [chunk(WORD.replace(b'"a"', b'"%c"' % letter)) for letter in b"bcdef"]
    asked = Client(lambda run: run.texts[0] in "bdf")
    await asked.ask(sending(chunk(ROLE, WORD), *words, chunk(STOP, DONE) + LAST), client, call("m"))
    assert asked.error is None
    assert "".join(asked.told) == "abcdef"
    assert asked.runs == 3


async def test_what_is_relayed_keeps_a_stream_alive(client: HttpClient, call: Callable[..., Call]) -> None:
    script = sending(chunk(ROLE, WORD), *[chunk(WORD)] * 20, chunk(STOP, DONE) + LAST)
    asked = Client(always)
    await asked.ask(script, client, call("m", seconds=0.4), idle_seconds=0.4)
    assert asked.error is None
    assert "".join(asked.told) == "a" * 21
    assert asked.runs > 10


async def test_a_silence_after_what_was_relayed_cuts_a_stream(client: HttpClient, call: Callable[..., Call]) -> None:
    began = asyncio.get_running_loop().time()
    asked = Client(always)
    await asked.ask(sending(chunk(ROLE, WORD), *[chunk(WORD)] * 5, 20.0), client, call("m"), idle_seconds=0.2)
    assert asked.error is not None
    assert (asked.error.ending, asked.error.message) == (
        Ending.CUT,
        "the provider fell silent in the middle of its answer",
    )
    assert asked.runs == 5
    assert 0.3 < asyncio.get_running_loop().time() - began < 5


async def test_pings_between_what_was_relayed_and_nothing_do_not_keep_it_alive(
    client: HttpClient, call: Callable[..., Call]
) -> None:
    asked = Client(always)
    script = sending(chunk(ROLE, WORD), *[chunk(WORD)] * 5, forever=chunk(b": ping\n\n"))
    await asked.ask(script, client, call("m", seconds=0.3))
    assert asked.error is not None
    assert asked.error.ending is Ending.CUT


async def test_what_is_relayed_counts_toward_the_largest_stream(
    client: HttpClient, call: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_limits, "MAX_STREAM_BYTES", 20 * len(WORD))
    asked = Client(always)
    await asked.ask(sending(chunk(WORD), forever=chunk(WORD)), client, call("m"))
    assert asked.error is not None
    assert asked.error.ending is Ending.CUT
    assert 10 < asked.runs <= 20


async def test_a_stream_that_breaks_off_after_what_was_relayed_is_cut(
    client: HttpClient, call: Callable[..., Call]
) -> None:
    asked = Client(always)
    await asked.ask(sending(chunk(WORD), chunk(WORD), LAST), client, call("m"))
    assert asked.error is not None
    assert asked.error.ending is Ending.CUT
    assert "".join(asked.told) == "aa"


async def test_a_line_that_ends_with_cr_is_read_and_not_relayed(client: HttpClient, call: Callable[..., Call]) -> None:
    asked = Client(always)
    broken = WORD.replace(b'"a"', b'\r"b"')  # of which the line after the CR is no data
    await asked.ask(sending(chunk(WORD), chunk(WORD), chunk(broken), chunk(STOP, DONE) + LAST), client, call("m"))
    assert asked.error is not None
    assert asked.error.ending is Ending.CUT
    assert "".join(asked.told) == "aa"


EVENTS = [
    WORD[6:-2],
    WORD[6:-2].replace(b'"a"', b'  "a" '),
    WORD[6:-2].replace(b"{", b"{\n", 1),
    WORD[6:-2].replace(b'"a"}', b'"a"},"obfuscation":"ab9"'),
]


def template_of(event: bytes) -> Template:
    found = Template.of(event, msgspec.json.decode(event, type=dict[str, msgspec.Raw]))
    assert found is not None
    return found


@pytest.mark.parametrize("event", EVENTS[:1])
@pytest.mark.parametrize("said", [b'"a"', '"ä\\n\\u00e4 \\"}"'.encode()])
def test_an_event_alone_is_read_as_one(event: bytes, said: bytes) -> None:
    run = template_of(event).only(b"data: " + event.replace(b'"a"', said) + b"\n\n")
    assert run is not None
    assert (run.said, run.texts) == ([said], [msgspec.json.decode(said)])


@given(
    st.sampled_from(EVENTS),
    st.sampled_from(EVENTS),
    st.one_of(
        st.text(max_size=3).map(msgspec.json.encode),
        st.sampled_from([b"", b'"', b'"a', b'\n"a"', b'"a"\r', b'"a\nb"', b'"\xff"', b'"a"},{"content":"b"', b'""']),
    ),
    st.sampled_from([b"\n\n", b"\n", b"\r\n\r\n", b"\n\ndata: x\n\n", b""]),
)
def test_what_is_read_as_an_event_alone_is_what_it_is_among_others(
    template: bytes, event: bytes, said: bytes, end: bytes
) -> None:
    body = b"data: " + event.replace(b'"a"', said) + end
    alone, among = template_of(template).only(body), _run_of(template_of(template), body)
    if alone is not None:
        assert among is not None
        assert (alone.said, alone.texts, alone.letters, alone.text_bytes) == (
            among.said,
            among.texts,
            among.letters,
            among.text_bytes,
        )
