"""How a completion request is read, and with which error each wrong field is refused."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.completions.json_object import parse_json_object
from gateway.completions.request import CompletionRequest, conversation_of, parse_completion
from gateway.errors import BadRequest, GatewayError

MESSAGES = [{"role": "user", "content": "Hello"}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "dari/routing", "messages": MESSAGES} | fields).encode()


def parse(**fields: Any) -> CompletionRequest:
    return parse_completion(body(**fields))


def error_of(raw: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        parse_completion(raw)
    return caught.value


WRONG = [
    (b"", "invalid_json", None),
    (b"[]", "invalid_json", None),
    (b"{", "invalid_json", None),
    (b'{"model": "dari/routing", "messages": [], "messages": []}', "invalid_json", None),
    (b'{"model":"dari/routing","model":"dari/routing","messages":[{"role":"user"}]}', "invalid_json", None),
    (b'{"a": 1, "a": 12}', "invalid_json", None),
    (b'{"a": 12, "a": 1}', "invalid_json", None),
    (b'{"a": 1, "b": 2, "\\u0061": 1}', "invalid_json", None),
    (b'{"model": "dari/routing", "messages": "\xff"}', "invalid_json", None),
    (b'{"temperature": NaN}', "invalid_json", None),
    (b'{"temperature": -Infinity}', "invalid_json", None),
    (b'{"x": ' + b"[" * 200 + b"]" * 200 + b"}", "invalid_json", None),
    (b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "invalid_json", None),
    (json.dumps({str(number): number for number in range(1_001)}).encode(), "invalid_json", None),
    (b'{"messages": [{"role": "user"}]}', "model_not_supported", "model"),
    (body(model="openai/gpt-5.5"), "model_not_supported", "model"),
    (body(model=None), "model_not_supported", "model"),
    (body(model=["dari/routing"]), "model_not_supported", "model"),
    (b'{"model": "dari/routing"}', "invalid_request", "messages"),
    (body(messages=[]), "invalid_request", "messages"),
    (body(messages={}), "invalid_request", "messages"),
    (body(messages=[{"role": "user"}, {"content": "x"}]), "invalid_request", "messages[1].role"),
    (body(messages=[{"role": 3}]), "invalid_request", "messages[0].role"),
    (body(messages=["hello"]), "invalid_request", "messages[0]"),
    (body(stream="yes"), "invalid_request", "stream"),
    (body(stream_options={"include_usage": 1}), "invalid_request", "stream_options.include_usage"),
    (body(temperature="hot"), "invalid_request", "temperature"),
    (body(temperature=True), "invalid_request", "temperature"),
    (body(top_p=[]), "invalid_request", "top_p"),
    (body(max_tokens=1.5), "invalid_request", "max_tokens"),
    (body(max_tokens=0), "invalid_request", "max_tokens"),
    (body(max_tokens=-(10**400)), "invalid_request", "max_tokens"),
    (body(max_completion_tokens=10**400), "invalid_request", "max_completion_tokens"),
    (body(max_completion_tokens="9"), "invalid_request", "max_completion_tokens"),
    (body(stop=7), "invalid_request", "stop"),
    (body(tools={}), "invalid_request", "tools"),
    (body(tool_choice=1), "invalid_request", "tool_choice"),
    (body(response_format="json"), "invalid_request", "response_format"),
    (body(metadata=[]), "invalid_request", "metadata"),
    (body(user=5), "invalid_request", "user"),
    (body(routing=5), "invalid_request", "routing"),
    (body(routing={"instructions": 5}), "invalid_request", "routing.instructions"),
    (body(routing={"instructions": "x" * 4001}), "invalid_request", "routing.instructions"),
    (body(**{"routing.instructions": ["x"]}), "invalid_request", "routing.instructions"),
    (body(routing={"instruction": "x"}), "unknown_parameter", "routing.instruction"),
    (body(**{"routing.x": "x"}), "unknown_parameter", "routing.x"),
]


@pytest.mark.parametrize(("raw", "code", "param"), WRONG)
def test_a_wrong_body_is_refused_with_its_code_and_field(raw: bytes, code: str, param: str | None) -> None:
    error = error_of(raw)
    assert (error.code, error.param) == (code, param)
    assert error.status == 400
    assert error.message


def test_what_is_ours_is_taken_out_and_the_rest_keeps_its_bytes() -> None:
    raw = (
        b'{"model": "dari/routing", "messages": [{"role": "user", "content": "h\\u00e9 \xf0\x9f\x99\x82"}], '
        b'"routing": {"instructions": "Prefer cheaper."}, "seed": 123456789012345678901234567890, '
        b'"temperature": 1.0, "logprobs" : true, "x_next_year": {"a": [1.0, 1e400]}}'
    )
    request = parse_completion(raw)
    assert request.routing.instructions == "Prefer cheaper."
    assert {key: bytes(value) for key, value in request.fields.items()} == {
        "messages": b'[{"role": "user", "content": "h\\u00e9 \xf0\x9f\x99\x82"}]',
        "seed": b"123456789012345678901234567890",
        "temperature": b"1.0",
        "logprobs": b"true",
        "x_next_year": b'{"a": [1.0, 1e400]}',
    }


def test_both_forms_of_the_instructions_mean_the_same() -> None:
    assert parse(**{"routing.instructions": "x"}).routing.instructions == "x"
    assert parse(routing={"instructions": "x"}).routing.instructions == "x"
    assert "routing.instructions" not in parse(**{"routing.instructions": "x"}).fields
    assert parse(routing={"instructions": None}).routing.instructions is None
    assert parse(routing=None).routing.instructions is None


def test_nulls_of_known_fields_are_as_good_as_absent() -> None:
    request = parse(stream=None, max_tokens=None, tools=None, metadata=None, response_format=None, stop=None)
    assert (request.stream, request.max_tokens, request.needs) == (False, None, frozenset())


def test_needs_are_read_from_tools_format_and_parts() -> None:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {}},
        {"type": "file", "file": {}},
    ]
    request = parse(
        messages=[{"role": "user", "content": parts}],
        tools=[{"type": "function"}],
        response_format={"type": "json_schema", "json_schema": {}},
    )
    assert request.needs == {"tools", "json_schema", "vision", "audio", "files"}
    assert request.features.wants_json
    assert request.features.images == 1
    assert request.features.text == "What is this?"


def test_functions_of_old_need_a_model_with_tools() -> None:
    assert parse(functions=[{"name": "f"}]).needs == {"tools"}
    assert parse(functions=[{"name": "f"}]).features.tools
    assert parse(functions=[]).needs == parse(functions=None).needs == frozenset()


def test_the_largest_image_is_measured_in_base64() -> None:
    def image(url: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": url}}

    urls = ["data:image/png;base64,AAAA", "https://example.com/a.png", "data:image/jpeg;base64,AAAAAAAA", "data:image"]
    request = parse(messages=[{"role": "user", "content": [image(url) for url in urls]}, {"role": "user"}])
    assert request.largest_image_bytes() == 8
    assert parse().largest_image_bytes() == 0


def test_the_task_is_what_the_caller_says_under_the_routers_key() -> None:
    request = parse(metadata={"task": " billing ", "other": 3, "long": "x" * 1_000_000})
    assert request.task("task") == "billing"
    assert request.task("other") is None
    assert request.task("missing") is None
    assert request.task("long") == "x" * 64


def test_a_nesting_of_128_levels_is_read() -> None:
    raw = b'{"model":"dari/routing","messages":[{"role":"user"}],"x":' + b"[" * 127 + b"]" * 127 + b"}"
    assert parse_completion(raw).fields["x"]
    brackets_in_text = body(messages=[{"role": "user", "content": '[{"' * 500}])
    assert parse_completion(brackets_in_text)


keys = st.text(max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(keys, values, max_size=6), st.sampled_from([None, 0, 2]), st.booleans())
def test_every_object_without_twins_is_read_value_for_value(
    document: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    try:
        raw = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    read = parse_json_object(raw)
    assert {key: json.loads(bytes(value)) for key, value in read.items()} == document


@given(st.dictionaries(keys, values, min_size=1, max_size=4), st.data())
def test_every_object_with_a_twin_is_refused(document: dict[str, Any], data: st.DataObject) -> None:
    twin = data.draw(st.sampled_from(sorted(document)))
    members = [*document.items(), (twin, data.draw(values))]
    order = data.draw(st.permutations(members))
    raw = "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in order) + "}"
    with pytest.raises(BadRequest):
        parse_json_object(raw.encode())


def test_raw_fields_survive_encoding() -> None:
    assert msgspec.json.encode(parse(seed=1).fields)


def with_headers(raw: bytes, **headers: str) -> CompletionRequest:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return parse_completion(raw, named.get)


def test_headers_say_what_a_client_can_not_put_into_the_body() -> None:
    request = with_headers(body(), x_router_task="billing", x_router_instructions="cheap", x_router_max_usd="0.02")
    assert (request.task("task"), request.routing.instructions, request.routing.max_usd) == ("billing", "cheap", 0.02)


def test_a_field_wins_over_its_header() -> None:
    fields = {"routing": {"instructions": "fast", "max_usd": 0.5}, "metadata": {"task": "chat"}}
    request = with_headers(body(**fields), x_router_task="x", x_router_instructions="x", x_router_max_usd="1")
    assert (request.task("task"), request.routing.instructions, request.routing.max_usd) == ("chat", "fast", 0.5)


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "inf", "much", "", "1e9", "1_0", "0x1", "1e999"])
def test_a_limit_in_a_header_that_is_no_sum_of_dollars_is_refused_by_its_name(wrong: str) -> None:
    with pytest.raises(BadRequest) as caught:
        with_headers(body(), x_router_max_usd=wrong)
    assert caught.value.param == "x-router-max-usd"


@pytest.mark.parametrize("wrong", [0, -0.01, "0.01", True, [], 1e9])
def test_a_limit_in_the_body_that_is_no_sum_of_dollars_is_refused_by_its_name(wrong: object) -> None:
    for fields in ({"routing": {"max_usd": wrong}}, {"routing.max_usd": wrong}):
        assert error_of(body(**fields)).param == "routing.max_usd"


def test_instructions_in_a_header_are_bounded_and_must_be_text() -> None:
    with pytest.raises(BadRequest) as caught:
        with_headers(body(), x_router_instructions="x" * 4_001)
    assert caught.value.param == "x-router-instructions"
    with pytest.raises(BadRequest, match="valid UTF-8"):
        parse_completion(body(), {b"x-router-task": b"\xff"}.get)


@pytest.mark.parametrize("text", [r"cut \ud83d", r"\udc00 x", r"\ud83d\ud83d\ude00", r"\ud83dx\ude00", r"\\\ud83d"])
def test_half_a_character_is_told_with_its_place(text: str) -> None:
    raw = b'{"model": "dari/routing", "messages": [{"role": "user", "content": "' + text.encode() + b'"}]}'
    error = error_of(raw)
    assert error.code == "invalid_json"
    assert f"lone surrogate, {raw[raw.index(rb'ud') - 1 :][:6].decode()} at byte {raw.index(rb'ud') - 1}" in str(error)


def test_whole_pairs_and_escaped_backslashes_are_no_half_characters() -> None:
    for text in (r"\ud83d\ude00", r"\\ud83d", r"\"\\\ud83d\ude00"):
        raw = b'{"model": "dari/routing", "messages": [{"role": "user", "content": "' + text.encode() + b'"}]}'
        assert parse_completion(raw).features.turns == 1
    assert "surrogate" not in str(error_of(rb'{"a": "\ud83d\ude00", "b": '))


NESTED = st.recursive(
    st.none() | st.sampled_from(["[{", '"', "\\", '\\"[', "}]", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "[", '\\"{']), inner, max_size=3),
    max_leaves=40,
)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(NESTED, st.integers(1, 140))
def test_only_bodies_nested_too_deep_are_refused_whatever_their_strings_hold(value: Any, around: int) -> None:
    raw = b'{"x":' + b"[" * around + json.dumps(value).encode() + b"]" * around + b"}"
    if 1 + around + depth_of(value) > 128:
        assert "nested deeper" in str(error_of(raw))
    else:
        assert bytes(parse_json_object(raw)["x"]).startswith(b"[")


def conversation(secret: bytes = b"secret", **fields: Any) -> bytes | None:
    return conversation_of(parse(**fields).fields, secret)


def test_the_turns_of_a_conversation_share_a_hash_that_only_its_router_can_make() -> None:
    turns = [*MESSAGES, {"role": "assistant", "content": "Hi!"}, {"role": "user", "content": "And then?"}]
    first = conversation(user="u1")
    assert first is not None
    assert len(first) == 8
    assert conversation(user="u1", messages=turns) == first
    assert conversation(user="u2", messages=turns) != first
    assert conversation(b"another router's", user="u1") != first
    assert conversation(user="u1", messages=[{"role": "system", "content": "Be brief"}, *turns]) != first
    named = conversation(prompt_cache_key="thread-7", user="u1")
    assert named == conversation(prompt_cache_key="thread-7", messages=turns[2:])
    assert named not in {first, conversation(prompt_cache_key="thread-8")}


def test_requests_that_name_no_user_and_no_thread_are_of_no_conversation() -> None:
    assert conversation() is None
    assert conversation(user=None, prompt_cache_key=None) is None
