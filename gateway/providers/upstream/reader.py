"""Interface of what reads the events of a stream, one in each wire format."""

from typing import Protocol

from gateway.providers.upstream.provider import Chunk
from gateway.providers.upstream.template import Template


class Reader(Protocol):
    """Parser of the events of one stream, in one wire format.

    `alive`: content or reasoning has been received. `finished`: every choice that began has its finish reason;
    `complete`: so has every choice that was asked for. `ended`: the last event has been read. `template`: what the
    event read last says, but for its text, is what each event like it says.
    """

    alive: bool
    finished: bool
    complete: bool
    ended: bool
    template: Template | None

    def read(self, event: bytes) -> Chunk | None:
        """Translate an event to OpenAI's format. Raises ProviderError for an error event."""
        ...
