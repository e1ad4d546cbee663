"""The shortcut of a stream: events that are like the one before go to the client where their bytes are received."""

from gateway.providers.upstream.reader import Reader
from gateway.providers.upstream.sse import EventParser
from gateway.providers.upstream.stream_limits import StreamLimits
from gateway.providers.upstream.template import Relay, Run, Template


class RunShortcut:
    """The shortcut of one stream. What it takes changes neither the parser of events nor their reader."""

    __slots__ = ("_limits", "_relay", "_template", "deadline")

    def __init__(self, relay: Relay, limits: StreamLimits) -> None:
        self._relay = relay
        self._limits = limits
        self._template: Template | None = None
        self.deadline = 0.0

    def ready(self, reader: Reader, parser: EventParser, deadline: float) -> "RunShortcut | None":
        """Itself, if the next event may be like the one before; `deadline` is that of the wait for it."""
        self._template, self.deadline = reader.template, deadline
        return None if self._template is None or not parser.is_between_events else self

    def take(self, body: bytes) -> bool:
        """Pass whole events on, if all are like the one before."""
        template = self._template
        if template is None:
            return False
        run = template.only(body) or _run_of(template, body)
        if run is None or not (self._limits.allows(len(body)) and self._relay(run)):
            return False
        self.deadline = self._limits.passed_on(len(body))
        return True


def _run_of(template: Template, body: bytes) -> Run | None:
    """The run that these bytes are, if they are whole events like the template."""
    if not (body.startswith(b"data: ") and body.endswith(b"\n\n")) or b"\r" in body:
        return None  # a CR ends a line, also within the space before a content
    events = body[6:-2].split(b"\n\ndata: ")
    run = template.run(events) if body.count(b"\n") == 2 * len(events) else None
    return run if run is not None and len(run.said) == len(events) else None
