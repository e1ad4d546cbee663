"""The calls made for one decision: each model in turn until one answers, and what each call cost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TypeVar

from bandit.decision import redraw
from bandit.types import Attempt, Draw, Ending, Epoch
from gateway.completions.bill import NOTHING, Bill, bill_for
from gateway.completions.decision import Decision
from gateway.errors import AllModelsFailed, GatewayError, ProviderRejected, ProviderTimeout, RateLimited
from gateway.providers.upstream.provider import Call, Chunk, Provider, ProviderError, Usage
from gateway.routing.cooldowns import Cooldowns

log = logging.getLogger(__name__)

T = TypeVar("T")


class AttemptLog:
    """What was tried for one decision. `draw` is the latest; `provider_seconds` were spent waiting for providers."""

    __slots__ = (
        "_counted_bytes",
        "_decision",
        "_running",
        "_started",
        "_started_at",
        "done",
        "draw",
        "first_token_seconds",
        "provider_seconds",
        "text_bytes",
        "usage",
    )

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self.draw = decision.draw
        self._running = False
        self._started = self._started_at = 0.0
        self.done: list[Attempt] = []
        self.provider_seconds = 0.0
        self.first_token_seconds: float | None = None
        self.usage: Usage | None = None
        self.text_bytes = self._counted_bytes = 0

    @property
    def started_count(self) -> int:
        """How many calls were begun."""
        return len(self.done) + self._running

    @property
    def cost_usd(self) -> float:
        """Dollars of the calls that are over."""
        return sum(attempt.cost_usd for attempt in self.done)

    @property
    def model_id(self) -> str:
        """The model of the running call, or else of the last."""
        return self.draw.model_id

    def waited(self) -> float:
        """Seconds spent waiting for providers, the running call included."""
        return self.provider_seconds + (perf_counter() - self._started if self._running else 0.0)

    def begin(self, draw: Draw, now: Epoch) -> None:
        """A call starts; `now` in seconds since the epoch."""
        self.draw, self._running = draw, True
        self._started, self._started_at = perf_counter(), now
        self.first_token_seconds = self.usage = None
        self.text_bytes = self._counted_bytes = 0

    def take(self, chunk: Chunk) -> None:
        """A chunk of the stream has come: its text and usage are counted, and the time to the first content."""
        if chunk.says and self.first_token_seconds is None:
            self.first_token_seconds = perf_counter() - self._started
        self.count(chunk.usage, chunk.text_bytes)

    def count(self, usage: Usage | None, text_bytes: int) -> None:
        """So much text has come, and `usage` is what the provider has counted until there."""
        self.text_bytes += text_bytes
        if usage is not None:
            self.usage, self._counted_bytes = usage, self.text_bytes

    def end(
        self,
        ending: Ending,
        *,
        finish_reason: str | None = None,
        error: ProviderError | None = None,
    ) -> None:
        """The running call is over; what it cost is booked, estimated where the provider did not say."""
        if not self._running:
            return
        self._running = False
        draw = self.draw
        seconds = perf_counter() - self._started
        self.provider_seconds += seconds
        bill = self._bill(ending, draw.model_id)
        tokens = bill.tokens
        self.done.append(
            Attempt(
                number=draw.attempt,
                model_id=draw.model_id,
                propensity=draw.propensity,
                randomised=draw.randomised,
                ending=ending,
                started_at=self._started_at,
                seconds=seconds,
                stream=self._decision.request.stream,
                first_token_seconds=self.first_token_seconds,
                status=error.status if error else 200 if ending is Ending.COMPLETE else None,
                detail=error.message if error else "",
                finish_reason=finish_reason,
                prompt_tokens=tokens.prompt_tokens if tokens else None,
                cached_tokens=tokens.cached_tokens if tokens else 0,
                completion_tokens=tokens.completion_tokens if tokens else None,
                token_details=tokens.details() if tokens else {},
                cost_usd=bill.cost_usd,
                cost_stated=bill.stated,
                estimated=bill.estimated,
            )
        )

    def _bill(self, ending: Ending, model_id: str) -> Bill:
        told = self.usage is not None and (self.usage.tokens is not None or self.usage.cost_usd is not None)
        if not told and ending not in {Ending.COMPLETE, Ending.CLIENT_GONE, Ending.TIMEOUT, Ending.CUT}:
            return NOTHING
        bill = bill_for(
            self._decision.router.models[model_id],
            self.usage,
            estimated_prompt_tokens=self._decision.estimated_prompt_tokens,
            text_bytes=self.text_bytes,
            uncounted_bytes=self.text_bytes - self._counted_bytes,
        )
        if bill.doubt:
            completion_id = self._decision.completion_id
            log.warning("request %s: %s reports what can't be right (%s)", completion_id, model_id, bill.doubt)
        return bill


async def try_in_turn(
    decision: Decision,
    attempts: AttemptLog,
    providers: Mapping[str, Provider],
    cooldowns: Cooldowns,
    clock: Callable[[], Epoch],
    call: Callable[[Provider, Call], Awaitable[T]],
) -> T:
    """The first model's answer, or the next one's where it failed in a way that another model may mend.

    The order is the policy's: each re-draw is from the choice without the models that failed. Raises
    ProviderRejected for the caller's own mistake, else what `_exhausted` makes of the failures.
    """
    router, loop = decision.router, asyncio.get_running_loop()
    deadline = loop.time() + router.options.request_timeout_seconds
    draw: Draw | None = decision.draw
    while draw is not None:
        model = router.models[draw.model_id]
        attempts.begin(draw, clock())
        cooldowns.begun(model.id, loop.time())
        try:
            made = Call(
                model=model.upstream_name,
                fields=decision.request.fields,
                deadline=deadline,
                silence_seconds=router.options.request_timeout_seconds,
                output_limit=model.output_limit,
                streams="stream" in model.abilities,
            )
            return await call(providers[model.provider], made)
        except ProviderError as error:
            attempts.end(error.ending, error=error)
            cooldowns.failed(model.id, error, loop.time())
            if error.ending is Ending.REJECTED:
                raise ProviderRejected(
                    error.message, status=error.status or 400, param=error.param, code=error.code
                ) from error
        failed = {attempt.model_id for attempt in attempts.done}
        draw = None
        if len(attempts.done) < router.options.max_attempts and loop.time() < deadline:
            draw = redraw(
                decision.weighed.choice, router.secret, decision.completion_id, len(attempts.done) + 1, failed
            )
    raise _exhausted(attempts.done, cooldowns.soonest(sorted(failed), loop.time()))


def _exhausted(attempts: list[Attempt], soonest: float | None) -> GatewayError:
    story = "; ".join(f"{attempt.model_id}: {attempt.detail or attempt.ending}" for attempt in attempts)
    endings = {attempt.ending for attempt in attempts}
    if endings == {Ending.RATE_LIMITED}:
        return RateLimited(f"every model is rate-limited: {story}", retry_after_seconds=soonest or 1)
    if endings == {Ending.TIMEOUT}:
        return ProviderTimeout(f"every model ran out of time: {story}")
    if endings == {Ending.INCAPABLE}:
        return ProviderRejected(f"no model takes this request: {story}", status=400, param=None, code=None)
    return AllModelsFailed(f"every model that was tried failed: {story}")
