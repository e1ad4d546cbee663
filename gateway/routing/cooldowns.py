"""Which models are left alone for a while, and why: cooling down, parked, or not able to take a field.

Kept per process and lost with it: another worker finds out for itself, by one request.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from bandit.types import Ending
from gateway.providers.upstream.faults import CONTEXT_LENGTH
from gateway.providers.upstream.provider import ProviderError

FIRST_SECONDS = 2.0
"""The first rest of a rate-limited model whose provider did not say how long; it doubles with each failure."""
LONGEST_SECONDS = 120.0
BREAKER_FAILURES = 3
"""So many failures in a row, without a success between, make a model rest as well."""
PARKED_SECONDS = 600.0
"""A parked model is asked again by one request after this time: accounts are topped up without a restart."""
PROBE_SECONDS = 30.0
"""How long the one request that asks again is waited for, before another may."""
INCAPABLE_SECONDS = 3_600.0
MOST_FIELDS = 64
"""Callers choose the names of fields: no more are remembered of one model."""

_LIMIT = re.compile(r"(?i)(?:maximum|max|limit|length|size|window)\D{0,60}?(\d[\d,]{2,})|> (\d[\d,]{2,}) maximum")


@dataclass(slots=True)
class _State:
    """What is remembered of one model. `until`: when it may be asked again."""

    failures: int = 0  # in a row
    rests: int = 0  # in a row, each longer than the one before
    until: float = -math.inf
    probe_until: float = -math.inf
    why: str = ""
    parked: str | None = None


@dataclass(slots=True)
class _Limits:
    """What one model can't take, each with the time when that is forgotten."""

    fields: dict[str, float] = field(default_factory=dict)
    context: tuple[int, float] = (0, -math.inf)


class Cooldowns:
    """The models' states. All times are of one monotonic clock, in seconds.

    A model is closed (serving), open (resting until a time), or half-open: its rest is over and nobody knows yet.
    A half-open model is available until a request has `begun` on it, then to nobody else until that request's end.
    """

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._limits: dict[str, _Limits] = {}
        self._watching: set[Callable[[], None]] = set()

    def available(self, model_id: str, now: float) -> bool:
        """Whether a request may be sent to the model."""
        state = self._states.get(model_id)
        return state is None or (now >= state.until and now >= state.probe_until)

    def reason(self, model_id: str, now: float) -> str | None:
        """Why it may not, in words for a person; None if it may."""
        if self.available(model_id, now):
            return None
        state = self._states[model_id]
        if state.parked is not None:
            return f"parked: {state.parked}"
        seconds = max(state.until, state.probe_until) - now
        return f"{state.why}, tried again in {max(1, math.ceil(seconds))} s"

    def begun(self, model_id: str, now: float) -> None:
        """A request is on its way to the model: if that is half-open, the others wait for this one's end."""
        state = self._states.get(model_id)
        if state is not None and state.rests and now >= state.until:
            state.probe_until = now + PROBE_SECONDS

    def probing(self, model_ids: Iterable[str], now: float) -> bool:
        """Whether one of the models is being asked by a request whether it is back."""
        states = (self._states.get(model_id) for model_id in model_ids)
        return any(state is not None and state.until <= now < state.probe_until for state in states)

    @contextmanager
    def watching(self, told: Callable[[], None]) -> Iterator[None]:
        """Within the context `told` is called whenever a request has ended that asked whether a model is back."""
        self._watching.add(told)
        try:
            yield
        finally:
            self._watching.discard(told)

    def released(self, model_id: str) -> None:
        """The request tells no more of the model: its caller left or was at fault, or its stream has begun to speak."""
        state = self._states.get(model_id)
        if state is not None:
            self._end_probe(state)

    def succeeded(self, model_id: str, now: float = math.inf) -> None:
        """The model answered. One that rests goes on resting: the request was older than what made it rest."""
        state = self._states.get(model_id)
        if state is not None and now >= state.until:
            del self._states[model_id]
            self._end_probe(state)

    def failed(self, model_id: str, error: ProviderError, now: float) -> None:
        """The model did not answer: it may have to rest, longer than the last time."""
        match error.ending:
            case Ending.REJECTED | Ending.CLIENT_GONE | Ending.COMPLETE:
                self.released(model_id)
            case Ending.INCAPABLE:
                self.released(model_id)
                self._hold(model_id, error, now)
            case _:
                self._rest(self._states.setdefault(model_id, _State()), error, now)

    def soonest(self, model_ids: Iterable[str], now: float) -> float | None:
        """Seconds until the first of the models may be asked; None if all are parked, or there are none."""
        waits = [self._wait(model_id, now) for model_id in model_ids]
        return min((wait for wait in waits if wait is not None), default=None)

    def incapable_fields(self, model_id: str, now: float) -> frozenset[str]:
        """The request fields that the model has refused within the hour."""
        limits = self._limits.get(model_id)
        if limits is None:
            return frozenset()
        return frozenset(name for name, until in limits.fields.items() if now < until)

    def context_limit(self, model_id: str, now: float) -> int | None:
        """The context length, in tokens, that the model stated in a refusal within the hour."""
        limits = self._limits.get(model_id)
        return limits.context[0] if limits and now < limits.context[1] else None

    def parked(self) -> Mapping[str, str]:
        """The models that only a person can mend, each with what to mend."""
        return {model_id: state.parked for model_id, state in self._states.items() if state.parked is not None}

    def _end_probe(self, state: _State) -> None:
        if state.probe_until > -math.inf:
            state.probe_until = -math.inf
            for told in self._watching:
                told()

    def _wait(self, model_id: str, now: float) -> float | None:
        state = self._states.get(model_id)
        if state is None:
            return 0.0
        if state.parked is not None and now < state.until:
            return None
        return max(state.until - now, state.probe_until - now, 0.0)

    def _rest(self, state: _State, error: ProviderError, now: float) -> None:
        resting = now < state.until
        self._end_probe(state)
        state.failures += 1
        if error.ending is Ending.MISCONFIGURED:
            state.parked, state.why = error.message, "misconfigured"
            state.rests += 1
            state.until = max(state.until, now + PARKED_SECONDS)
            return
        limited = error.ending is Ending.RATE_LIMITED
        if not limited and error.retry_after_seconds is None and not state.rests and state.failures < BREAKER_FAILURES:
            return
        if not resting or not state.rests:
            # The failures of requests that were under way together are one reason to rest, not many.
            state.rests += 1
        state.parked = None
        state.why = "rate-limited by its provider" if limited else "failing"
        wait = error.retry_after_seconds
        if wait is None:
            wait = min(FIRST_SECONDS * 2.0 ** min(state.rests - 1, 16), LONGEST_SECONDS)
        state.until = max(state.until, now + wait)

    def _hold(self, model_id: str, error: ProviderError, now: float) -> None:
        limits = self._limits.setdefault(model_id, _Limits())
        if error.code == CONTEXT_LENGTH:
            tokens = stated_limit(error.message)
            if tokens is not None:
                limits.context = (tokens, now + INCAPABLE_SECONDS)
        elif error.param is not None:
            held = {name: until for name, until in limits.fields.items() if now < until}
            if error.param in held or len(held) < MOST_FIELDS:
                held[error.param] = now + INCAPABLE_SECONDS
            limits.fields = held


def stated_limit(message: str) -> int | None:
    """The context length in a provider's words, such as "maximum context length is 8192 tokens"."""
    match = _LIMIT.search(message)
    return int((match[1] or match[2]).replace(",", "")) if match else None
