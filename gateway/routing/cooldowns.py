"""Circuit breakers of the models: cooldowns after failures and rate limits, and parked models.

In memory, per process: each process needs one failed request of its own to open a breaker. Only `resume` reaches all.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.providers.upstream.provider import ProviderError, Verdict

log = logging.getLogger(__name__)

FIRST_SECONDS = 2.0
"""The first cooldown if the provider states none: exponential backoff, doubled with each failed probe."""
LONGEST_SECONDS = 120.0
BREAKER_FAILURES = 3
"""Failures in a row that open the breaker, if they were not all of the same request."""
BLAMES = 5
"""Refusals in a row that open it as well, if other models answered these requests and they were not all the same."""
DIFFERENT_REQUESTS = 2
FIRST_PARKED_SECONDS = 5.0
LONGEST_PARKED_SECONDS = 600.0
"""The longest backoff of a parked model: accounts are topped up."""
LAST_RESORT_SECONDS = 2.0
"""If all models are open, one is probed this often: a short fault of all providers must not become an outage."""
PROBE_SECONDS = 30.0
"""A probe that takes longer no longer keeps other requests from probing."""


@dataclass(slots=True)
class _Breaker:
    """State of one model's breaker: open from `since` until `until`, then half-open; closed if it was never open."""

    failures: int = 0  # in a row
    failed: list[bytes] = field(default_factory=list)  # different requests among these, the first few
    openings: int = 0  # in a row, each longer than the one before
    since: float = -math.inf
    until: float = -math.inf
    probe_until: float = -math.inf
    probed_at: float = -math.inf  # as the last resort
    why: str = ""
    parked: str | None = None
    limited: bool = False
    stated: bool = False  # the provider said how long
    blames: list[bytes] = field(default_factory=list)  # the requests that it refused and another model answered

    def is_last_resort(self) -> bool:
        """Whether it may be probed while it is open. Rate limits and times that a provider stated are respected."""
        return not (self.limited or self.stated)


class Cooldowns:
    """Circuit breaker of each model: closed, open until a time, or half-open while one probe runs.

    All times are seconds of the event loop's clock. A half-open model is available until a request has `begun` on it:
    that is the probe, and the model is unavailable to others until it ends.
    """

    def __init__(self) -> None:
        self._breakers: dict[str, _Breaker] = {}
        self._watching: set[Callable[[], None]] = set()

    @property
    def are_none(self) -> bool:
        """Whether no model has failed lately."""
        return not self._breakers

    def available(self, model_id: str, now: float) -> bool:
        """Whether a request may be sent to the model."""
        breaker = self._breakers.get(model_id)
        return breaker is None or (now >= breaker.until and now >= breaker.probe_until)

    def available_among(self, model_ids: tuple[str, ...], now: float) -> tuple[str, ...]:
        """Those of the models that a request may be sent to."""
        if not self._breakers:
            return model_ids
        return tuple([model_id for model_id in model_ids if self.available(model_id, now)])

    def reason(self, model_id: str, now: float) -> str | None:
        """Why no request may be sent to it, in words; None if one may."""
        if self.available(model_id, now):
            return None
        breaker = self._breakers[model_id]
        if breaker.parked is not None:
            return f"parked: {breaker.parked}"
        seconds = max(breaker.until, breaker.probe_until) - now
        return f"{breaker.why}, tried again in {max(1, math.ceil(seconds))} s"

    def is_limited(self, model_id: str) -> bool:
        """Whether the model cools down because of its provider's rate limit."""
        breaker = self._breakers.get(model_id)
        return breaker is not None and breaker.limited

    def is_broken(self, model_id: str, now: float) -> bool:
        """Whether the breaker is open for another reason than a rate limit."""
        breaker = self._breakers.get(model_id)
        return breaker is not None and now < breaker.until and not breaker.limited

    def claim_last_resort(self, model_ids: Iterable[str], now: float) -> str | None:
        """The model to probe if all of these are open: the next to be half-open, once per `LAST_RESORT_SECONDS`."""
        models = list(model_ids)
        wait, model_id = self._last_resort(models, now)
        if model_id is None or wait > 0.0:
            return None
        self._breakers[model_id].probed_at = now
        return model_id

    def begun(self, model_id: str, now: float) -> None:
        """A request starts on the model; it is the probe if the breaker is open or half-open."""
        breaker = self._breakers.get(model_id)
        if breaker is not None and breaker.openings:
            breaker.probe_until = now + PROBE_SECONDS

    def probing(self, model_ids: Iterable[str], now: float) -> bool:
        """Whether a probe of one of the models runs."""
        breakers = (self._breakers.get(model_id) for model_id in model_ids)
        return any(breaker is not None and now < breaker.probe_until for breaker in breakers)

    @contextmanager
    def watching(self, told: Callable[[], None]) -> Iterator[None]:
        """Call `told` whenever a probe ends, within the context."""
        self._watching.add(told)
        try:
            yield
        finally:
            self._watching.discard(told)

    def released(self, model_id: str) -> None:
        """A probe ends without a result: its caller left or was at fault, or its stream has begun."""
        breaker = self._breakers.get(model_id)
        if breaker is not None:
            self._end_probe(breaker)

    def succeeded(self, model_id: str, now: float = math.inf, began_at: float = -math.inf) -> None:
        """The model answered a request that began at `began_at`: an open breaker closes if it began later."""
        breaker = self._breakers.get(model_id)
        if breaker is None:
            return
        if now >= breaker.until or began_at > breaker.since:
            del self._breakers[model_id]
            self._end_probe(breaker)
            if breaker.openings:
                log.info("%s answers again", model_id)

    def failed(self, model_id: str, error: ProviderError, now: float, request: bytes) -> None:
        """The model failed to answer: the breaker may open, for longer than the last time.

        `request` is the request's fingerprint: what one request provokes again and again is no evidence for others.
        """
        match error.verdict:
            case Verdict.PARKED:
                self._park(model_id, error, now)
            case Verdict.RATE_LIMITED | Verdict.FAILED | Verdict.TIMEOUT | Verdict.CUT:
                self._fail(model_id, error, now, request)
            case _:
                self.released(model_id)

    def blamed(self, model_id: str, request: bytes, now: float) -> None:
        """Another model answered what this one refused. `request` is the request's fingerprint."""
        breaker = self._breakers.setdefault(model_id, _Breaker())
        breaker.blames = [*breaker.blames, request][-BLAMES:]
        if len(breaker.blames) == BLAMES and len(set(breaker.blames)) >= DIFFERENT_REQUESTS:
            self._cool(model_id, breaker, now, None, "refuses what other models answer")

    def resume(self, model_id: str) -> None:
        """Close the breaker: an operator has fixed the cause."""
        breaker = self._breakers.pop(model_id, None)
        if breaker is not None:
            self._end_probe(breaker)
            log.info("%s is resumed by an operator", model_id)

    def soonest(self, model_ids: Iterable[str], now: float) -> float | None:
        """Seconds until one of the models may be asked, if only as the last resort; None without models."""
        models = list(model_ids)
        waits = [self._wait(model_id, now) for model_id in models]
        if any(waits) and all(waits) and (resort := self._last_resort(models, now))[1] is not None:
            waits.append(resort[0])
        return min(waits, default=None)

    def parked(self) -> Mapping[str, str]:
        """Parked models, each with what to fix."""
        return {model_id: each.parked for model_id, each in self._breakers.items() if each.parked is not None}

    def opened(self) -> Iterator[tuple[str, str, str, float, float]]:
        """Models whose breaker is open or half-open: `cooling` or `parked`, why in words, and since and until when."""
        for model_id, each in self._breakers.items():
            if each.openings:
                state, why = ("cooling", each.why) if each.parked is None else ("parked", each.parked)
                yield model_id, state, why, each.since, each.until

    def states(self) -> Mapping[str, tuple[str, str]]:
        """Models whose breaker is open or half-open: `cooling` or `parked`, and one word why."""
        return {
            model_id: ("parked", "misconfigured")
            if each.parked is not None
            else ("cooling", "rate_limited" if each.limited else "failing")
            for model_id, each in self._breakers.items()
            if each.openings
        }

    def _last_resort(self, model_ids: list[str], now: float) -> tuple[float, str | None]:
        """Seconds until an open model may be probed as the last resort, and which; None if none may."""
        opened = [(each.until, model_id) for model_id in model_ids if (each := self._breakers.get(model_id))]
        usable = [(until, model_id) for until, model_id in opened if self._breakers[model_id].is_last_resort()]
        if not usable:
            return 0.0, None
        breakers = [self._breakers[model_id] for _, model_id in opened]
        free_at = max(max(each.probed_at + LAST_RESORT_SECONDS, each.probe_until) for each in breakers)
        return max(free_at - now, 0.0), min(usable)[1]

    def _wait(self, model_id: str, now: float) -> float:
        breaker = self._breakers.get(model_id)
        return 0.0 if breaker is None else max(breaker.until - now, breaker.probe_until - now, 0.0)

    def _end_probe(self, breaker: _Breaker) -> None:
        if breaker.probe_until > -math.inf:
            breaker.probe_until = -math.inf
            for told in self._watching:
                told()

    def _park(self, model_id: str, error: ProviderError, now: float) -> None:
        breaker = self._breakers.setdefault(model_id, _Breaker())
        probed = breaker.probe_until > -math.inf
        self._end_probe(breaker)
        if now < breaker.until and breaker.parked is not None and not probed:
            return  # a request that had begun before the model was parked
        breaker.openings = breaker.openings + 1 if breaker.parked is not None else 1
        stated = error.retry_after_seconds
        wait = FIRST_PARKED_SECONDS * 2.0 ** min(breaker.openings - 1, 16) if stated is None else stated
        wait = min(wait, LONGEST_PARKED_SECONDS)
        breaker.parked, breaker.why = error.message, "misconfigured"
        breaker.limited = breaker.stated = False
        breaker.since, breaker.until, breaker.probed_at = now, now + wait, now
        log.error("%s is parked, probed after %.3g s: %s", model_id, wait, error.summary, extra={"about": model_id})

    def _fail(self, model_id: str, error: ProviderError, now: float, request: bytes) -> None:
        breaker = self._breakers.setdefault(model_id, _Breaker())
        self._end_probe(breaker)
        breaker.failures += 1
        if len(breaker.failed) < DIFFERENT_REQUESTS and request not in breaker.failed:
            breaker.failed.append(request)
        limited = error.verdict is Verdict.RATE_LIMITED
        stated = error.retry_after_seconds
        few = breaker.failures < BREAKER_FAILURES or len(breaker.failed) < DIFFERENT_REQUESTS
        if not limited and stated is None and not breaker.openings and few:
            return
        why = "rate-limited by its provider" if limited else "failing"
        self._cool(model_id, breaker, now, stated, why, limited=limited)

    def _cool(
        self,
        model_id: str,
        breaker: _Breaker,
        now: float,
        stated: float | None,
        why: str,
        *,
        limited: bool = False,
    ) -> None:
        if now >= breaker.until or not breaker.openings:
            # Failures of requests that ran at the same time count as one.
            breaker.openings = breaker.openings + 1 if breaker.parked is None else 1
        wait = min(FIRST_SECONDS * 2.0 ** min(breaker.openings - 1, 16), LONGEST_SECONDS) if stated is None else stated
        was_open = now < breaker.until
        breaker.parked, breaker.why, breaker.limited, breaker.stated = None, why, limited, stated is not None
        breaker.since, breaker.until = now, max(breaker.until, now + wait)
        breaker.probed_at = now
        if not was_open:
            log.warning("%s cools down for %.3g s: %s", model_id, breaker.until - now, why, extra={"about": model_id})
