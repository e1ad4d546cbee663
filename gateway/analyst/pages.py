"""Pages that are drawn where their answers are made, and not by the gateway beside its completions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gateway.analyst.messages import Answer, Ask, Call
from storage.records import RouterRecord


@dataclass(frozen=True, slots=True)
class Page:
    """A page's two questions, and how it is drawn from what is known of them; of the second nothing may be."""

    first: Ask
    second: Ask
    draw: Callable[[Answer, Answer | None], str]


Reading: TypeAlias = Callable[[Call, RouterRecord], Page]
"""Reads the page that a call asks for. Raises InvalidQuestion, ValidationError."""
