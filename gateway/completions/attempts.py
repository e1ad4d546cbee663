"""Calls the models of a decision in turn until one answers, and logs what each call took and cost."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TypeVar

import msgspec

from bandit.draws import redraw
from bandit.quick import quick_replace
from bandit.types import Attempt, Draw, Ending, Epoch
from gateway.completions.decision import Decision
from gateway.errors import AllModelsFailed, GatewayError, ProviderRejected, ProviderTimeout, RateLimited
from gateway.providers.upstream.bill import NOTHING, Bill, bill_for
from gateway.providers.upstream.provider import Answer, Call, Chunk, Provider, ProviderError, Usage, Verdict
from gateway.routing.cooldowns import Cooldowns
from gateway.routing.model_states import ModelStates
from gateway.telemetry.trace_context import RequestTrace

log = logging.getLogger(__name__)

T = TypeVar("T")

_BILLED = frozenset({Ending.COMPLETE, Ending.CLIENT_GONE, Ending.TIMEOUT, Ending.CUT})
"""Endings of calls that cost something, even if the provider reports no usage."""


class AttemptLog:
    """The calls made for one decision. `provider_seconds` were spent waiting for providers.

    `draw` is the latest, `model_id` its arm, `model` the model of that arm, `served_id` that model's id.
    """

    # What most answers never change stands in the class: an instance has it only once it is set.
    began_at = 0.0  # the running call, on the event loop's clock
    cost_usd = 0.0  # of those that are done
    is_estimated = False  # or a part of it
    provider_seconds = 0.0
    first_token_seconds: float | None = None
    text_bytes = 0
    trace_headers = b""
    usage: Usage | None = None
    _counted_bytes = 0
    _running = False
    _started = _started_at = 0.0

    def __init__(self, decision: Decision, trace: RequestTrace | None) -> None:
        self._decision = decision
        self.trace = trace
        self.done: list[Attempt] = []
        self._draw(decision.draw)
        alike = self.alike = decision.cached.alike(decision.draw)
        if alike.attempt is None:
            alike.attempt = self._answered()
        self._like = alike.attempt

    @property
    def started_count(self) -> int:
        """Calls that were started."""
        return len(self.done) + self._running

    def waited(self) -> float:
        """Seconds spent waiting for providers, including the running call."""
        return self.provider_seconds + (perf_counter() - self._started if self._running else 0.0)

    def begin(self, draw: Draw, now: Epoch, loop_time: float) -> None:
        """Start a call; `now` in seconds since the epoch, `loop_time` on the event loop's clock."""
        if self.done:
            self._draw(draw)
            self._like = self._answered()
            self.first_token_seconds = self.usage = None
            self.text_bytes = self._counted_bytes = 0
        self._running = True
        if self.trace is not None:
            self.trace_headers = self.trace.begin_attempt()
        self._started, self._started_at, self.began_at = perf_counter(), now, loop_time

    def _draw(self, draw: Draw) -> None:
        router, arm_id = self._decision.router, draw.model_id
        self.draw, self.model_id = draw, arm_id
        self.model, self.variant = router.models[arm_id], router.variants.get(arm_id)
        self.served_id = self.model.id

    def _answered(self) -> Attempt:
        """A call of the arm that is drawn, without its figures."""
        draw = self.draw
        return Attempt(
            number=draw.attempt,
            model_id=draw.model_id,
            propensity=draw.propensity,
            randomised=draw.randomised,
            ending=Ending.COMPLETE,
            started_at=0.0,
            seconds=0.0,
            stream=self._decision.request.stream,
            status=200,
        )

    def take(self, chunk: Chunk) -> None:
        """Count a stream's chunk: its text and usage, and the time to the first content."""
        if chunk.says and self.first_token_seconds is None:
            self.first_token_seconds = perf_counter() - self._started
        self.text_bytes += chunk.text_bytes
        if chunk.usage is not None:
            self.count(chunk.usage, 0)

    def count(self, usage: Usage | None, text_bytes: int) -> None:
        """Count text; `usage` is the provider's count up to here. An empty count doesn't replace one."""
        self.text_bytes += text_bytes
        if usage is not None and (usage.is_told or self.usage is None):
            self.usage, self._counted_bytes = usage, self.text_bytes

    def answered(self, answer: Answer) -> None:
        """End the running call with a whole answer."""
        self.text_bytes = answer.text_bytes
        if answer.usage is not None:
            self.usage, self._counted_bytes = answer.usage, answer.text_bytes
        self.end(Ending.COMPLETE, finish_reason=answer.finish_reason)

    def fail(self, error: ProviderError) -> None:
        """End the running call after an error, with the usage that the provider reported for it."""
        self.count(error.usage, 0)
        self.end(error.ending, error=error)

    def end(
        self,
        ending: Ending,
        *,
        finish_reason: str | None = None,
        error: ProviderError | None = None,
    ) -> None:
        """End the running call. Its cost is estimated if the provider did not report it."""
        if not self._running:
            return
        self._running = False
        seconds = perf_counter() - self._started
        self.provider_seconds += seconds
        bill = self._bill(ending)
        self.cost_usd += bill.cost_usd
        attempt = quick_replace(
            self._like,
            started_at=self._started_at,
            seconds=seconds,
            first_token_seconds=self.first_token_seconds,
            finish_reason=finish_reason,
            cost_usd=bill.cost_usd,
            cost_stated=bill.stated,
        )
        if (tokens := bill.tokens) is not None:
            attempt = quick_replace(
                attempt,
                prompt_tokens=tokens.prompt_tokens,
                cached_tokens=tokens.cached_tokens,
                completion_tokens=tokens.completion_tokens,
                token_details=tokens.details(),
            )
        if bill.estimated:
            self.is_estimated = True
            attempt = quick_replace(attempt, estimated=True)
        if error is not None:
            attempt = quick_replace(attempt, ending=ending, status=error.status, detail=error.message)
        elif ending is not Ending.COMPLETE:
            attempt = quick_replace(attempt, ending=ending, status=None)
        self.done.append(attempt)

    def _bill(self, ending: Ending) -> Bill:
        usage = self.usage
        if ending not in _BILLED and (usage is None or not usage.is_told):
            return NOTHING
        variant, text_bytes = self.variant, self.text_bytes
        bill = bill_for(
            self.model.price,
            usage,
            tier=None if variant is None else variant.variant.tier,
            context_window=self.model.context_window,
            estimated_prompt_tokens=self._decision.estimated_prompt_tokens,
            text_bytes=text_bytes,
            uncounted_bytes=text_bytes - self._counted_bytes,
        )
        if bill.doubt:
            completion_id = self._decision.completion_id
            log.warning("request %s: %s reports what can't be right (%s)", completion_id, self.model_id, bill.doubt)
        return bill


async def try_in_turn(
    decision: Decision,
    attempts: AttemptLog,
    providers: Mapping[str, Provider],
    model_states: ModelStates,
    clock: Callable[[], Epoch],
    call: Callable[[Provider, Call], Awaitable[T]],
) -> T:
    """Call one model after another until one answers, while another may succeed where one has failed.

    The order is the policy's: each re-draw is from the choice without the models that failed, and the decision's
    reserve comes last. A refusal for safety is passed on at once. After another refusal of unknown cause one other
    model is tried; if that refuses too, the caller gets the first one's words. Raises ProviderRejected, or what
    `_exhausted` makes of the failures.
    """
    router, loop = decision.router, asyncio.get_running_loop()
    now, seconds = loop.time(), router.options.request_timeout_seconds
    deadline = now + seconds
    forwarded = decision.request.forwarded(router.options.task_metadata_key)
    draw: Draw | None = decision.draw
    refusals: dict[str, ProviderError] = {}
    failed: set[str] = set()
    while draw is not None:
        attempts.begin(draw, clock() if attempts.done else decision.at, now)
        model, variant = attempts.model, attempts.variant
        model_states.cooldowns.begun(model.id, now)
        fields = forwarded if variant is None else variant.fields(forwarded)
        try:
            made = Call(
                model=model.upstream_name,
                fields=fields,
                deadline=deadline,
                silence_seconds=seconds,
                trace_headers=attempts.trace_headers,
                output_limit=model.output_limit,
                streams="stream" in model.abilities,
            )
            answer = await call(providers[model.provider], made)
        except ProviderError as error:
            attempts.fail(error)
            now = loop.time()
            model_states.cooldowns.failed(model.id, error, now, fingerprint(forwarded))
            model_states.holds.refused(draw.model_id, error, fields, now)
            failed.add(draw.model_id)
            if error.verdict is Verdict.REFUSED:
                refusals[model.id] = error
            final = error.verdict is Verdict.CONTENT or len(refusals) > 1
            more = not final and len(attempts.done) < router.options.max_attempts and now < deadline
            tried = draw.model_id
            draw = _next(decision, len(attempts.done) + 1, failed, model_states.cooldowns, now) if more else None
            _log(decision, tried, error, f"next is {draw.model_id}" if draw else "no other model is tried")
            if final:
                raise _rejected(error if error.verdict is Verdict.CONTENT else next(iter(refusals.values()))) from error
        else:
            for model_id in refusals.keys() - {model.id} if refusals else ():
                model_states.cooldowns.blamed(model_id, fingerprint(forwarded), loop.time())
            return answer
    if refusals:
        raise _rejected(next(iter(refusals.values())))
    called = sorted({router.models[arm_id].id for arm_id in failed})
    raise _exhausted(attempts.done, model_states.cooldowns.soonest(called, loop.time()))


def _next(decision: Decision, number: int, failed: set[str], cooldowns: Cooldowns, now: float) -> Draw | None:
    """The next arm: a re-draw from the choice, then the reserve in its order.

    Other variants of a model that has failed come last, and only if their model may be asked again.
    """
    router, choice = decision.router, decision.cached.choice
    models = {router.models[arm_id].id for arm_id in failed}
    siblings = {arm_id for arm_id, model in router.models.items() if model.id in models}
    barred = {arm_id for arm_id in siblings if not cooldowns.available(router.models[arm_id].id, now)}
    for excluded in (failed | siblings, failed | barred):
        draw = redraw(choice, router.secret, decision.completion_id, number, excluded)
        left = [arm_id for arm_id in decision.reserve if arm_id not in excluded]
        if draw is None and left:
            draw = Draw(number, decision.draw.u, left[0], 1.0, randomised=False)
        if draw is not None:
            return draw
    return None


def _log(decision: Decision, model_id: str, error: ProviderError, follows: str) -> None:
    """Log a failed attempt on one line; the caller's own mistakes are not warnings.

    The provider's own words may repeat the prompt: `explain` shows them, the log does not.
    """
    level = logging.INFO if error.ending is Ending.REJECTED else logging.WARNING
    fields = {
        "event": "attempt_failed",
        "request_id": decision.completion_id,
        "router": decision.router.id,
        "model": model_id,
        "verdict": error.verdict.value,
        "status": error.status,
    }
    log.log(
        level,
        "request %s: %s: %s (%s); %s",
        decision.completion_id,
        model_id,
        error.verdict,
        error.summary,
        follows,
        extra={"about": f"{model_id} {error.verdict}", "fields": fields},
    )


def fingerprint(fields: Mapping[str, msgspec.Raw]) -> bytes:
    """A hash that tells different requests apart."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(fields):
        digest.update(name.encode() + b"\0" + bytes(fields[name]) + b"\0")
    return digest.digest()


def _rejected(error: ProviderError) -> ProviderRejected:
    return ProviderRejected(error.message, status=error.status or 400, param=error.param, code=error.code)


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
