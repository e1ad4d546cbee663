"""What has changed in this process, as server-sent events: topics alone, so that pages ask for what they show."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

import msgspec

from gateway.api_keys import Keyring
from gateway.errors import Unavailable
from gateway.maintenance.heartbeat import Heartbeat
from gateway.readiness import Readiness
from gateway.recorder import Recorder
from gateway.routing.model_states import ModelStates
from gateway.routing.router import LiveRouter

LOOK_SECONDS = 1.0
PING_SECONDS = 15.0
PING = b"event: ping\ndata: {}\n\n"
"""Not a comment, which a page can't see: one that hears nothing for long opens another stream."""
MOST_STREAMS = 20
ROUTER = "router:"
HEARTBEATS = "heartbeats"
SIGNED_OUT = b"event: signed-out\ndata: {}\n\n"


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What a topic was like when it was looked at. Objects are kept, so that another one can't have the same id."""

    things: tuple[object, ...]

    def differs(self, other: "_Seen | None") -> bool:
        """Whether any of them is another object, or another number or text."""
        if other is None or len(other.things) != len(self.things):
            return True
        return any(
            one is not two and (not isinstance(one, int | str) or one != two)
            for one, two in zip(self.things, other.things, strict=True)
        )


class Events:
    """Looks once a second, for all open streams, at what has changed since. For the event loop alone."""

    def __init__(
        self,
        routers: Mapping[str, LiveRouter],
        keyring: Keyring,
        recorder: Recorder,
        model_states: ModelStates,
        readiness: Readiness,
        heartbeat: Heartbeat,
    ) -> None:
        self._routers = routers
        self._keyring = keyring
        self._recorder = recorder
        self._model_states = model_states
        self._readiness = readiness
        self._heartbeat = heartbeat
        self._streams = 0
        self._latest: tuple[float, dict[str, _Seen]] = (-inf, {})

    @property
    def open_streams(self) -> int:
        """How many pages are live."""
        return self._streams

    def open(self, is_live: Callable[[], bool], sees: Callable[[str], bool]) -> AsyncIterator[bytes]:
        """A stream of changes of what `sees` allows, until `is_live` is false or the gateway stops.

        Raises Unavailable if too many are open.
        """
        if self._streams >= MOST_STREAMS:
            raise Unavailable(
                f"{MOST_STREAMS} pages are live in this process already", code="overloaded", retry_after_seconds=30
            )
        # Before the browser hears that it is open: it fetches the page then, and is told of all that comes after.
        return self._stream(self._look(), is_live, sees)

    async def _stream(
        self, seen: dict[str, _Seen], is_live: Callable[[], bool], sees: Callable[[str], bool]
    ) -> AsyncIterator[bytes]:
        with self._counted():
            loop = asyncio.get_running_loop()
            yield PING
            said_at = loop.time()
            while is_live() and not self._readiness.stopping:
                await asyncio.sleep(LOOK_SECONDS)
                now = self._look()
                changed = {topic for topic, each in now.items() if each.differs(seen.get(topic))} | seen.keys() - now
                seen = now
                topics = sorted(t for t in changed if not t.startswith(ROUTER) or sees(t.removeprefix(ROUTER)))
                if topics:
                    yield b"event: changed\ndata: " + msgspec.json.encode({"topics": topics}) + b"\n\n"
                    said_at = loop.time()
                elif loop.time() - said_at >= PING_SECONDS:
                    yield PING
                    said_at = loop.time()
            if not is_live():
                yield SIGNED_OUT

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def _look(self) -> dict[str, _Seen]:
        """What all topics are like: as another stream has seen them a moment ago, or anew."""
        at, seen = self._latest
        now = asyncio.get_running_loop().time()
        if now - at >= LOOK_SECONDS / 2:
            self._latest = now, self._look_now()
            return self._latest[1]
        return seen

    def _look_now(self) -> dict[str, _Seen]:
        routers = self._routers
        found = {
            f"{ROUTER}{id_}": _Seen((live.definition, live.state.revision, live.state.settled))
            for id_, live in routers.items()
        }
        found["routers"] = _Seen(tuple(live.definition for live in routers.values()))
        found["keys"] = _Seen((self._keyring.revision,))
        states = (f"{model_id} {state}" for model_id, state in sorted(self._model_states.cooldowns.states().items()))
        told = (*self._readiness.problems(), *self._readiness.notes())
        found["health"] = _Seen((*states, *told, str(self._recorder.state), self._heartbeat.replica_count()))
        found[HEARTBEATS] = _Seen((self._heartbeat.beats,))
        return found
