"""Circuit breakers: which models are not asked for a while, and why.

Kept per process and lost with it: another worker finds out for itself, by one request. Only `resume` reaches all.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.providers.upstream.provider import ProviderError, Verdict

log = logging.getLogger(__name__)

FIRST_SECONDS = 2.0
"""The first rest of a model whose provider did not say how long; it doubles with each failure after a rest."""
LONGEST_SECONDS = 120.0
BREAKER_FAILURES = 3
"""So many failures in a row, without a success between, open the breaker."""
BLAMES = 5
"""So many refusals in a row of what another model answered, from at least `DIFFERENT_REQUESTS`, open it as well."""
DIFFERENT_REQUESTS = 2
FIRST_PARKED_SECONDS = 5.0
LONGEST_PARKED_SECONDS = 600.0
"""A parked model is asked again by one request after this time at the latest: accounts are topped up."""
LAST_RESORT_SECONDS = 2.0
"""With no other model left one of the resting ones is asked this often: no moment's mishap becomes an outage."""
PROBE_SECONDS = 30.0
"""How long the one request that asks again is waited for, before another may."""


@dataclass(slots=True)
class _Breaker:
    """What is remembered of one model. It rests from `since` until `until`."""

    failures: int = 0  # in a row
    rests: int = 0  # in a row, each longer than the one before
    since: float = -math.inf
    until: float = -math.inf
    probe_until: float = -math.inf
    asked_at: float = -math.inf  # as the last resort
    why: str = ""
    parked: str | None = None
    limited: bool = False
    stated: bool = False  # the provider said how long
    blames: list[bytes] = field(default_factory=list)  # the requests that it refused and another model answered

    def is_last_resort(self) -> bool:
        """Whether it may be asked during its rest: a rate limit and a stated time are kept."""
        return not (self.limited or self.stated)


class Cooldowns:
    """Circuit breaker of each model: closed, open until a time, or half-open while one probe runs.

    All times are of one monotonic clock, in seconds. A half-open model is available until a request has `begun` on it,
    then to nobody else until that request's end.
    """

    def __init__(self) -> None:
        self._breakers: dict[str, _Breaker] = {}
        self._watching: set[Callable[[], None]] = set()

    def available(self, model_id: str, now: float) -> bool:
        """Whether a request may be sent to the model."""
        breaker = self._breakers.get(model_id)
        return breaker is None or (now >= breaker.until and now >= breaker.probe_until)

    def reason(self, model_id: str, now: float) -> str | None:
        """Why it may not, in words for a person; None if it may."""
        if self.available(model_id, now):
            return None
        breaker = self._breakers[model_id]
        if breaker.parked is not None:
            return f"parked: {breaker.parked}"
        seconds = max(breaker.until, breaker.probe_until) - now
        return f"{breaker.why}, tried again in {max(1, math.ceil(seconds))} s"

    def is_limited(self, model_id: str) -> bool:
        """Whether the model rests because of its provider's rate limit."""
        breaker = self._breakers.get(model_id)
        return breaker is not None and breaker.limited

    def is_broken(self, model_id: str, now: float) -> bool:
        """Whether the model is parked or failing, and its rest is not over. A rate limit breaks nothing."""
        breaker = self._breakers.get(model_id)
        return breaker is not None and now < breaker.until and not breaker.limited

    def claim_last_resort(self, model_ids: Iterable[str], now: float) -> str | None:
        """The resting model to ask if all of these rest: the one that is back first, once per `LAST_RESORT_SECONDS`."""
        models = list(model_ids)
        wait, model_id = self._last_resort(models, now)
        if model_id is None or wait > 0.0:
            return None
        self._breakers[model_id].asked_at = now
        return model_id

    def begun(self, model_id: str, now: float) -> None:
        """A request is on its way to the model: if that rests or is half-open, the others wait for this one's end."""
        breaker = self._breakers.get(model_id)
        if breaker is not None and breaker.rests:
            breaker.probe_until = now + PROBE_SECONDS

    def probing(self, model_ids: Iterable[str], now: float) -> bool:
        """Whether a request is finding out whether one of the models is back."""
        breakers = (self._breakers.get(model_id) for model_id in model_ids)
        return any(breaker is not None and now < breaker.probe_until for breaker in breakers)

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
        breaker = self._breakers.get(model_id)
        if breaker is not None:
            self._end_probe(breaker)

    def succeeded(self, model_id: str, now: float = math.inf, began_at: float = -math.inf) -> None:
        """The model answered a request that began at `began_at`. Only a younger request ends a rest before its time."""
        breaker = self._breakers.get(model_id)
        if breaker is None:
            return
        if now >= breaker.until or began_at > breaker.since:
            del self._breakers[model_id]
            self._end_probe(breaker)
            if breaker.rests:
                log.info("%s answers again", model_id)

    def failed(self, model_id: str, error: ProviderError, now: float) -> None:
        """The model did not answer: it may have to rest, longer than the last time."""
        match error.verdict:
            case Verdict.PARKED:
                self._park(model_id, error, now)
            case Verdict.RATE_LIMITED | Verdict.FAILED | Verdict.TIMEOUT | Verdict.CUT:
                self._fail(model_id, error, now)
            case _:
                self.released(model_id)

    def blamed(self, model_id: str, request: bytes, now: float) -> None:
        """Another model answered what this one refused; `request` tells different requests apart."""
        breaker = self._breakers.setdefault(model_id, _Breaker())
        breaker.blames = [*breaker.blames, request][-BLAMES:]
        if len(breaker.blames) == BLAMES and len(set(breaker.blames)) >= DIFFERENT_REQUESTS:
            self._cool(model_id, breaker, now, None, "refuses what other models answer")

    def resume(self, model_id: str) -> None:
        """Forget what was held against the model: somebody has mended it."""
        breaker = self._breakers.pop(model_id, None)
        if breaker is not None:
            self._end_probe(breaker)
            log.info("%s is resumed by hand", model_id)

    def soonest(self, model_ids: Iterable[str], now: float) -> float | None:
        """Seconds until the first of the models may be asked, if only as the last resort; None if there are none."""
        models = list(model_ids)
        waits = [self._wait(model_id, now) for model_id in models]
        if any(waits) and all(waits) and (resort := self._last_resort(models, now))[1] is not None:
            waits.append(resort[0])
        return min(waits, default=None)

    def parked(self) -> Mapping[str, str]:
        """The models that only a person can mend, each with what to mend."""
        return {model_id: each.parked for model_id, each in self._breakers.items() if each.parked is not None}

    def _last_resort(self, model_ids: list[str], now: float) -> tuple[float, str | None]:
        """Seconds until a resting model may be asked as the last resort, and which; None if none may."""
        resting = [(each.until, model_id) for model_id in model_ids if (each := self._breakers.get(model_id))]
        usable = [(until, model_id) for until, model_id in resting if self._breakers[model_id].is_last_resort()]
        if not usable:
            return 0.0, None
        breakers = [self._breakers[model_id] for _, model_id in resting]
        free_at = max(max(each.asked_at + LAST_RESORT_SECONDS, each.probe_until) for each in breakers)
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
            return  # a request that was under way when it was parked
        breaker.rests = breaker.rests + 1 if breaker.parked is not None else 1
        stated = error.retry_after_seconds
        wait = FIRST_PARKED_SECONDS * 2.0 ** min(breaker.rests - 1, 16) if stated is None else stated
        wait = min(wait, LONGEST_PARKED_SECONDS)
        breaker.parked, breaker.why = error.message, "misconfigured"
        breaker.limited = breaker.stated = False
        breaker.since, breaker.until, breaker.asked_at = now, now + wait, now
        log.error("%s is parked, asked again after %.3g s: %s", model_id, wait, error.message)

    def _fail(self, model_id: str, error: ProviderError, now: float) -> None:
        breaker = self._breakers.setdefault(model_id, _Breaker())
        self._end_probe(breaker)
        breaker.failures += 1
        limited = error.verdict is Verdict.RATE_LIMITED
        stated = error.retry_after_seconds
        if not limited and stated is None and not breaker.rests and breaker.failures < BREAKER_FAILURES:
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
        if now >= breaker.until or not breaker.rests:
            # The failures of requests that were under way together are one reason to rest, not many.
            breaker.rests = breaker.rests + 1 if breaker.parked is None else 1
        wait = min(FIRST_SECONDS * 2.0 ** min(breaker.rests - 1, 16), LONGEST_SECONDS) if stated is None else stated
        was_open = now < breaker.until
        breaker.parked, breaker.why, breaker.limited, breaker.stated = None, why, limited, stated is not None
        breaker.since, breaker.until = now, max(breaker.until, now + wait)
        breaker.asked_at = now
        if not was_open:
            log.warning("%s cools down for %.3g s: %s", model_id, breaker.until - now, why)
