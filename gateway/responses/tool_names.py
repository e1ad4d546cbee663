"""Names of tools in namespaces: a chat completion has one list of tools, so `find` of `crm` is `crm__find` there."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from gateway.responses.answers import Completion, ToolCall

LONGEST_NAME = 64
"""Characters of a tool's name that providers take."""

ToolNames: TypeAlias = Mapping[str, tuple[str, str]]
"""Namespace and name of a tool, by its name in the chat completion."""


def chat_name(namespace: object, name: str) -> str:
    """The name for the chat completion; one that would be too long ends with a hash."""
    if not isinstance(namespace, str) or not namespace:
        return name
    joined = f"{namespace}__{name}"
    if len(joined) <= LONGEST_NAME:
        return joined
    digest = hashlib.blake2b(joined.encode(), digest_size=4).hexdigest()
    return f"{joined[: LONGEST_NAME - 9]}_{digest}"


def restore_names(completion: Completion, names: ToolNames) -> None:
    """Give the calls of a completion or chunk the names of the request's tools, in place."""
    for choice in completion.choices if names else ():
        for spoken in (choice.message, choice.delta):
            _restore(spoken.tool_calls or () if spoken else (), names)


def _restore(calls: Iterable[ToolCall], names: ToolNames) -> None:
    for call in calls:
        called = call.custom or call.function
        if called is not None and (original := names.get(called.name or "")):
            called.namespace, called.name = original
