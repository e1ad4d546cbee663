"""What a request's messages hold, and how much of it: every part that is billed is counted, however it was written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.completions.features import UNKNOWN_FILE_KILOBYTES
from gateway.completions.request import parse_completion
from gateway.tasks.classifier import Features, estimate_prompt_tokens

TEXT = "港口城市的历史" * 50


def body(content: object, *, escaped: bool = False) -> bytes:
    message = {"role": "user", "content": content}
    return json.dumps({"model": "dari/routing", "messages": [message]}, ensure_ascii=escaped).encode()


@pytest.mark.parametrize("content", [TEXT, [{"type": "text", "text": TEXT}]])
def test_escapes_and_parts_do_not_make_a_prompt_longer(content: object) -> None:
    plain, escaped = parse_completion(body(content)), parse_completion(body(content, escaped=True))
    assert plain.features.prompt_chars == escaped.features.prompt_chars == len(TEXT)
    assert estimate_prompt_tokens(plain.features) == pytest.approx(0.75 * len(TEXT), rel=0.01)


def test_an_image_is_not_text() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}
    features = parse_completion(body([{"type": "text", "text": "what is this?"}, image])).features
    assert (features.prompt_chars, features.images) == (13, 1)


SCHEMA = {"type": "object", "properties": {"town": {"type": "string", "description": "Ort, z. B. Köln — oder 東京"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d" * 300, "parameters": SCHEMA}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Rom"}'}}


def size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def features_of(*messages: object, indent: int | None = None, escaped: bool = False, **fields: object) -> Features:
    request = {"model": "dari/routing", "messages": list(messages) or [{"role": "user", "content": "hi"}], **fields}
    return parse_completion(json.dumps(request, indent=indent, ensure_ascii=escaped).encode()).features


def of_part(part: object) -> Features:
    return features_of({"role": "user", "content": [{"type": "text", "text": "?"}, part]})


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("escaped", [False, True])
def test_tool_definitions_count_by_their_json_however_it_was_written(indent: int | None, escaped: bool) -> None:
    features = features_of(tools=[TOOL, TOOL], indent=indent, escaped=escaped)
    assert features.schema_bytes == pytest.approx(size([TOOL, TOOL]), abs=2)
    assert features.prompt_chars == len("hi")


def test_calls_of_tools_in_earlier_turns_count_and_their_results_are_text() -> None:
    said = {"role": "assistant", "content": None, "tool_calls": [CALL] * 30}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    features = features_of({"role": "user", "content": "hi"}, said, result)
    assert features.schema_bytes == size([CALL] * 30)
    assert features.prompt_chars == len("hi") + len("sunny")


def test_functions_as_they_were_called_before_tools_count() -> None:
    said = {"role": "assistant", "content": None, "function_call": CALL["function"]}
    features = features_of({"role": "user", "content": "hi"}, said, functions=[TOOL["function"]])
    assert features.schema_bytes == size([TOOL["function"]]) + size(CALL["function"])


def test_the_schema_of_the_answer_counts_and_a_plain_format_does_not() -> None:
    format_ = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    assert features_of(response_format=format_).schema_bytes == size(format_)
    assert features_of(response_format={"type": "json_object"}).schema_bytes == 0


@pytest.mark.parametrize(("format_", "seconds"), [("wav", 10.0), ("mp3", 30.0)])
def test_sound_counts_by_the_seconds_that_its_data_can_hold(format_: str, seconds: float) -> None:
    part = {"type": "input_audio", "input_audio": {"data": "A" * 640_000, "format": format_}}
    assert of_part(part).audio_seconds == pytest.approx(seconds, rel=0.01)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "A" * 400_000}},
        {"type": "file", "file": {"file_data": "A" * 400_000, "filename": "a.pdf"}},
        {"type": "input_file", "file_data": "A" * 400_000},
    ],
)
def test_a_file_counts_by_its_data(part: object) -> None:
    assert of_part(part).file_kilobytes == pytest.approx(300.0, rel=0.01)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": 7},
        {"type": "file"},
        {"type": "input_file", "file_id": "file-1"},
    ],
)
def test_a_file_that_is_not_in_the_request_counts_as_one_of_common_size(part: object) -> None:
    assert of_part(part).file_kilobytes == UNKNOWN_FILE_KILOBYTES


@pytest.mark.parametrize("part", [{"type": "input_audio"}, {"type": "input_audio", "input_audio": 7}, {"type": "x"}])
def test_parts_that_make_no_sense_are_the_providers_to_judge(part: object) -> None:
    features = of_part(part)
    assert (features.prompt_chars, features.file_kilobytes) == (1, 0.0)
    assert features.audio_seconds < 0.01


VALUES = st.recursive(
    st.none() | st.integers() | st.text('a"\\/uä€😀\x7f\x01', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('k"\\u€', max_size=4), inner, max_size=3),
    max_leaves=8,
)


def compact_size(value: object, *, escaped: bool) -> int:
    """Of one value that is not null, with each escape by a code counted as three bytes less."""
    text = json.dumps(value, ensure_ascii=escaped, separators=(",", ":"))
    return 0 if value is None else len(text.encode()) - 3 * text.count("\\u")


@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "é"]), VALUES, max_size=2), max_size=3),
    st.lists(VALUES, max_size=4),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
)
def test_tools_and_calls_count_together_what_each_counts_alone(
    tools: list[dict[str, object]], calls: list[object], indent: int | None, escaped: bool
) -> None:
    messages = [{"role": "assistant", "tool_calls": each, "function_call": each} for each in calls]
    features = features_of({"role": "user", "content": "hi"}, *messages, indent=indent, escaped=escaped, tools=tools)
    alone = compact_size(tools, escaped=escaped) + 2 * sum(compact_size(each, escaped=escaped) for each in calls)
    assert features.schema_bytes == alone
