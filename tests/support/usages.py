"""The recorded usages: what providers send of one answer's tokens and cost, and what it means.

A row has the whole answer or the events of a stream, the tokens that are to be read from it (null: none that can be
believed), the service tier, and the dollars where the provider states them or the row declares a price.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bandit.price import Tokens
from gateway.catalog.prices import UNLISTED
from gateway.providers.anthropic.responses import EventReader, read_message
from gateway.providers.openai.responses import ChunkReader, read_answer
from gateway.providers.upstream.provider import Usage

FILE = Path(__file__).parent.parent / "gateway/providers/recorded/usages.json"
_CHOICES = [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]


@dataclass(frozen=True)
class Recorded:
    """One row. `provider` is a name of the price list."""

    id: str
    kind: str
    provider: str | None
    model: str
    source: str
    tokens: Mapping[str, int] | None
    answer: Mapping[str, Any] | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    tier: str | None = None
    usd: float | None = None
    price: Mapping[str, float] | None = None

    @property
    def wanted(self) -> Tokens | None:
        """The tokens that are to be read."""
        return None if self.tokens is None else Tokens(**self.tokens)

    @property
    def stated_usd(self) -> float | None:
        """The dollars that the provider itself states."""
        return None if self.price or self.model in UNLISTED else self.usd

    def read(self) -> Usage | None:
        """The usage that the provider's adapter finds; of a stream the last one."""
        if self.kind == "anthropic":
            if self.answer is not None:
                return read_message(json.dumps(self.answer).encode()).usage
            reader: EventReader | ChunkReader = EventReader()
        elif self.answer is not None:
            return read_answer(json.dumps({"choices": _CHOICES, **self.answer}).encode()).usage
        else:
            reader = ChunkReader()
        chunks = [reader.read(json.dumps(event).encode()) for event in self.events]
        return next((chunk.usage for chunk in reversed(chunks) if chunk is not None and chunk.usage is not None), None)


RECORDED = [Recorded(**row) for row in json.loads(FILE.read_text())]
