"""Event streams: what the HTML standard says, and that no division of the bytes changes anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.upstream.sse import EventParser, EventTooLarge
from tests.support.steps import count_calls

LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:{}",
        b"data",
        b"data: a b",
        b"data:  two spaces",
        b": a comment",
        b":",
        b"event: ping",
        b"id: 7",
        b"retry: 10",
        b"database: x",
        b"data: \xff\xfe",
        b"data: \xef\xbb\xbf",
        b"",
        b"",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
STREAMS = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]), st.lists(st.tuples(LINES, ENDS).map(b"".join)).map(b"".join)
).map(b"".join)


def parse(*portions: bytes) -> list[bytes]:
    parser = EventParser()
    events = [event for portion in portions for event in parser.feed(portion)]
    return events + parser.finish()


def reference(stream: bytes) -> list[bytes]:
    """The standard's algorithm, line by line; a last event without its blank line counts."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[bytes] = []
    data: list[bytes] = []
    for line in [*text.split(b"\n"), b""]:
        if not line:
            if data:
                events.append(b"\n".join(data))
            data = []
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value[1:] if value.startswith(b" ") else value)
    return events


@given(STREAMS, st.data())
def test_any_division_of_the_bytes_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    portions = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parse(*portions) == parse(stream)


@given(STREAMS)
def test_the_events_are_those_of_the_standard(stream: bytes) -> None:
    assert parse(stream) == reference(stream)


@given(STREAMS)
def test_byte_by_byte_gives_the_same_events(stream: bytes) -> None:
    assert parse(*(stream[at : at + 1] for at in range(len(stream)))) == reference(stream)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
        (b": ping\n\ndata: one\n\n", [b"one"]),
        (b"event: error\ndata: one\n\n", [b"one"]),
        (b"data: one\ndata: more\n\n", [b"one\nmore"]),
        (b"\xef\xbb\xbfdata: one\n\n", [b"one"]),
        (b"data:one\n\n", [b"one"]),
        (b"data: no blank line at the end", [b"no blank line at the end"]),
    ],
)
def test_examples(stream: bytes, events: list[bytes]) -> None:
    assert parse(stream) == events


def test_an_event_is_told_as_soon_as_its_carriage_returns_have_come() -> None:
    assert EventParser().feed(b"data: one\r\r") == [b"one"]


@pytest.mark.parametrize("portion", [b"data: " + b"x" * 200, b"data: x\n"])
def test_an_event_that_never_ends_is_refused(portion: bytes) -> None:
    parser = EventParser(limit=1_000)
    with pytest.raises(EventTooLarge, match="larger than 1,000 bytes"):
        for _ in range(2_000):
            parser.feed(portion)


@pytest.mark.parametrize("portion", [b"x" * 50, b"\ndata: x", b"\r\ndata:"])
def test_a_large_event_in_many_portions_takes_steps_in_proportion_and_is_joined_once(portion: bytes) -> None:
    def read(portions: int) -> EventParser:
        parser = EventParser()
        parser.feed(b"data: ")
        for _ in range(portions):
            parser.feed(portion)
        return parser

    assert count_calls(lambda: read(4_000)) < 2.5 * count_calls(lambda: read(2_000))
    parser = read(4_000)
    assert len(parser._line or ()) + len(parser._data) >= 4_000, "joining at each portion would copy what came before"
    (event,) = parser.feed(b"\n\n")
    assert len(event) >= 4_000 - 1
