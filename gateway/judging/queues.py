"""Opens the queues of answers that are judged, and of those that are compared: one that is full fills no other."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bandit.types import Epoch
from gateway.judging.answered import Answered
from gateway.judging.booking import BookedCalls
from gateway.judging.comparison import compare
from gateway.judging.judgement import judge
from gateway.judging.queue import JudgingQueue
from gateway.providers.upstream.provider import Provider
from gateway.recorder import Recorder
from gateway.routing.model_states import ModelStates
from gateway.telemetry.observer import Observer


@dataclass(frozen=True, slots=True)
class JudgingQueues:
    """Where answers go that were drawn to be judged, or to be compared with a second model's."""

    judging: JudgingQueue
    comparing: JudgingQueue


@asynccontextmanager
async def open_queues(
    providers: Mapping[str, Provider],
    model_states: ModelStates,
    recorder: Recorder,
    observer: Observer,
    clock: Callable[[], Epoch],
) -> AsyncIterator[JudgingQueues]:
    """The queues, while the context lasts; what runs at its end is broken off."""
    calls = BookedCalls(providers, model_states, recorder, observer, clock)

    def queue(handle: Callable[[BookedCalls, Answered], Awaitable[None]]) -> aclosing[JudgingQueue]:
        return aclosing(JudgingQueue(partial(handle, calls), lambda answered, why: calls.count(answered, "", why)))

    async with queue(judge) as judging, queue(compare) as comparing:
        yield JudgingQueues(judging, comparing)
