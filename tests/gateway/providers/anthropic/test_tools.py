"""Tools and the choice among them as Anthropic takes them."""

from typing import Any

import pytest

from gateway.providers.upstream.provider import ProviderError
from tests.support.anthropic_requests import TOOL, sent


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        ("claude-sonnet-5", True),
        ("claude-haiku-5-5", True),
        ("claude-sonnet-5-5", False),
        ("claude-opus-5-5", False),
        ("claude-fable-5-1", False),
    ],
)
def test_a_call_is_demanded_of_models_that_can_be_made_to(model: str, taken: bool) -> None:
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        if taken:
            assert sent(model, tools=[TOOL], tool_choice=choice)["tool_choice"]["type"] in {"any", "tool"}
            continue
        with pytest.raises(ProviderError) as told:
            sent(model, tools=[TOOL], tool_choice=choice)
        assert told.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, {"type": "object", "properties": {}}),
        ({"type": ["object", "null"], "properties": {}}, {"type": "object", "properties": {}}),
        (
            {"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]},
            {"type": "object", "properties": {}, "description": '{"anyOf":[{"required":["a"]}]}'},
        ),
        (
            {"description": "one of", "oneOf": [{"type": "object"}]},
            {"type": "object", "description": 'one of\n\n{"oneOf":[{"type":"object"}]}'},
        ),
    ],
)
def test_a_tools_input_is_an_object_without_combinators_at_its_top(parameters: Any, schema: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    assert sent(tools=[tool])["tools"][0]["input_schema"] == schema


@pytest.mark.parametrize(
    ("choice", "translated"),
    [
        ("auto", None),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_tool_choices_are_translated(choice: Any, translated: Any) -> None:
    assert sent("claude-sonnet-5", tools=[TOOL], tool_choice=choice).get("tool_choice") == translated
