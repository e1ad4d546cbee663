"""The labelled requests: blocks of text under a line `=== task [json] [tools] [tool_turns=N] [document=CHARS] …`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.tasks.classifier import Features

ARTICLE = (
    "The harbour was rebuilt after the flood of 1953, and for two decades the town lived from it. Ships brought "
    "timber and grain, and left with machines. When the yard closed, many families moved to the capital. Those who "
    "stayed opened small workshops, a school and, later, a museum that still keeps the old ledgers. "
)
"""Neutral prose to make long documents of."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A request and the class that a person gave it."""

    task: str
    features: Features


def labelled_requests(name: str) -> Iterator[Labelled]:
    """The requests of this folder's `<name>.txt`, `known` or `unseen`."""
    for block in (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").split("=== ")[1:]:
        head, _, text = block.partition("\n")
        head, _, system = head.partition(" system=")
        task, *flags = head.split()
        options = dict(flag.partition("=")[::2] for flag in flags)
        text = text.rstrip("\n")
        if "document" in options:
            chars = int(options["document"])
            document = (ARTICLE * (chars // len(ARTICLE) + 1))[:chars]
            text = f"{text}\n\n{document}" if options.get("at") == "head" else f"{document}\n\n{text}"
        yield Labelled(
            task, request(text, system, "tools" in options, int(options.get("tool_turns") or 0), "json" in options)
        )


def request(
    text: str, system: str = "", tools: bool = False, tool_turns: int = 0, wants_json: bool = False
) -> Features:
    """The features of a request of one user turn."""
    return Features(
        system=system,
        text=text,
        prompt_chars=len(system) + len(text),
        tools=tools,
        tool_turns=tool_turns,
        wants_json=wants_json,
        images=0,
        turns=1,
    )
