"""The content of simulated answers: words that say so, or the JSON or tool call that was asked for."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bandit.types import Json

_FILLER = (
    "It has the length, the delay and the price of an answer, and nothing in it was thought. "
    "Configure a provider to get real answers."
)
_DEPTH = 6
IMAGE_TOKENS = 765
"""Tokens that an image counts for, whatever its size in bytes."""


def words(name: str, tokens: int) -> list[str]:
    """An answer of `tokens` tokens, one word each; the first ones say that it is simulated."""
    said = f"Simulated answer by {name}: no real model was asked.".split()
    while len(said) < tokens:
        said += _FILLER.split()
    return [word if number == 0 else f" {word}" for number, word in enumerate(said[:tokens])]


def instance(schema: object, root: Mapping[str, Any] | None = None, depth: int = 0) -> Json:
    """A small value that is valid against a JSON schema of the usual kinds."""
    if not isinstance(schema, dict) or depth > _DEPTH:
        return None
    root = schema if root is None else root
    if "const" in schema or schema.get("enum"):
        chosen: Json = schema["const"] if "const" in schema else schema["enum"][0]
        return chosen
    if isinstance(schema.get("$ref"), str):
        return instance(_referred(root, schema["$ref"]), root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return instance(schema[key][0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: instance(properties[name], root, depth + 1) for name in properties}
        case "array":
            return [instance(schema.get("items"), root, depth + 1) for _ in range(schema.get("minItems", 1))]
        case "integer" | "number":
            return schema.get("minimum", 1) if isinstance(schema.get("minimum", 1), int | float) else 1
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "simulated"[: schema.get("maxLength")].ljust(schema.get("minLength", 0), ".")


def tool_call(request: Mapping[str, Any]) -> tuple[str, Json] | None:
    """The name and arguments of the tool call in the answer; None if the answer is text.

    A tool is called once: a request that already contains a tool's result is answered with text.
    """
    tools = [tool["function"] for tool in request.get("tools") or () if isinstance(tool.get("function"), dict)]
    choice = request.get("tool_choice")
    if not tools or choice == "none" or any(message.get("role") == "tool" for message in request["messages"]):
        return None
    wanted = choice["function"]["name"] if isinstance(choice, dict) and "function" in choice else tools[0]["name"]
    tool = next((tool for tool in tools if tool["name"] == wanted), tools[0])
    return str(tool["name"]), instance(tool.get("parameters", {"type": "object"}))


def prompt_tokens(request: Mapping[str, Any], size: int) -> int:
    """Tokens of a request of `size` bytes: about one per four bytes, and a fixed number per image."""
    images = [part["image_url"] for part in _parts(request["messages"]) if isinstance(part.get("image_url"), dict)]
    return max(1, (size - sum(len(str(image.get("url"))) for image in images)) // 4) + IMAGE_TOKENS * len(images)


def structured(request: Mapping[str, Any]) -> Json:
    """The value that `response_format` asks for; None if it asks for text."""
    asked = request.get("response_format") or {}
    if asked.get("type") == "json_schema":
        return instance(asked.get("json_schema", {}).get("schema", {}))
    return {"simulated": True} if asked.get("type") == "json_object" else None


def _parts(messages: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        yield from (part for part in content if isinstance(part, dict)) if isinstance(content, list) else ()


def _referred(root: Mapping[str, Any], reference: str) -> object:
    found: object = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(part) if isinstance(found, dict) and part else found
    return found
