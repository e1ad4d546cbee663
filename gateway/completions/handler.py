"""Handles one decided request: calls providers, responds, records the outcome."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import TypeVar

import msgspec

from bandit.types import Ending, Epoch, LoopTime
from gateway.asgi import ClientGone, Http
from gateway.completions.attempts import AttemptLog, fingerprint, try_in_turn
from gateway.completions.decision import Decision
from gateway.completions.judged import compare, judge
from gateway.completions.outcome import build_record
from gateway.completions.reason import reason as explain
from gateway.completions.response import DONE, Envelope, error_event, usd, whole
from gateway.completions.validation import Validator, check_for
from gateway.errors import AllModelsFailed, GatewayError, OurOwnFault, Unavailable
from gateway.judging.answered import is_compared, is_judged
from gateway.judging.queues import JudgingQueues
from gateway.limits.allowance import Reservation
from gateway.providers.upstream.plain_stream import stream_plainly
from gateway.providers.upstream.provider import Answer, Call, Chunk, Provider, ProviderError, Verdict
from gateway.providers.upstream.template import Run
from gateway.recorder import Recorder
from gateway.routing.model_states import ModelStates
from gateway.settings import SIMULATED
from gateway.telemetry.observer import Observer
from gateway.telemetry.trace_context import RequestTrace
from storage.errors import LedgerError
from storage.records import Content, KeyRecord, Status
from storage.writing.failover import State

log = logging.getLogger(__name__)

DEGRADED = (b"x-router-degraded", b"ledger")
"""The header of answers whose records go to the local spool."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of a request's handler."""

    providers: Mapping[str, Provider]
    model_states: ModelStates
    recorder: Recorder
    validator: Validator
    queues: JudgingQueues
    observer: Observer
    clock: Callable[[], Epoch]
    loop_clock: Callable[[], LoopTime]


class CompletionHandler:
    """Calls, records and responds for one decision. Every request ends with exactly one outcome."""

    _is_judged = _is_compared = False
    _recorded = False
    _reason = ""
    _envelope: Envelope | None = None  # of a stream that has begun

    def __init__(
        self,
        services: Services,
        http: Http,
        key: KeyRecord,
        decision: Decision,
        started: float,
        trace: RequestTrace | None,
        reservation: Reservation | None,
    ) -> None:
        self._services = services
        self._http = http
        self._key = key
        self._decision = decision
        self._reservation = reservation
        self._started = started
        self._attempts = AttemptLog(decision, trace)
        router = decision.router
        if router.options.judge is not None:
            self._is_judged = is_judged(router, decision.completion_id)
        if router.options.shadow is not None:
            self._is_compared = is_compared(router, decision.completion_id)

    async def serve(self) -> None:
        """Send the answer, or the error that says why there is none."""
        try:
            await (self._stream() if self._decision.request.stream else self._plain())
        except ProviderError as error:
            await self._cut(error)
        except GatewayError as error:
            await self._fail(error)
        except ClientGone:
            await self._client_gone()
        except asyncio.CancelledError:
            # A second stop signal has cancelled us. Do not re-raise: this task ends with its answer and nothing else.
            await self._stopped()
        except Exception:
            log.exception(
                "request %s failed for a reason of our own", self._decision.completion_id, extra={"about": "requests"}
            )
            await self._fail(OurOwnFault())

    async def _plain(self) -> None:
        decision, attempts = self._decision, self._attempts
        with self._http.watched():
            answer = await self._in_turn(_answer)
        attempts.answered(answer)
        self._completed()
        reason = self._reason = self._explain()
        cost = usd(attempts.cost_usd)
        body = whole(answer, decision.completion_id, int(decision.at), attempts.served_id, reason, cost)
        ended_at = await self._record(Status.ANSWERED, answer=body)
        await self._http.respond(200, self._headers(cost), body)
        self._check(answer.text, ended_at)

    async def _stream(self) -> None:
        with self._http.watched():
            held, events = await self._in_turn(self._hold)
            async with contextlib.aclosing(events):
                self._reason = self._explain()
                envelope = self._new_envelope()
                await self._http.start_stream(self._headers(), envelope.first() + envelope.chunks(held))
                self._envelope = envelope
                async for chunks in events:
                    for chunk in chunks:
                        self._attempts.take(chunk)
                    data = envelope.chunks(chunks)
                    if data:
                        await self._http.write(data)
        self._attempts.end(Ending.COMPLETE, finish_reason=envelope.finish_reason)
        self._completed()
        text = envelope.text()
        ended_at = await self._record(Status.ANSWERED, answer=text.encode())
        attempts, wanted = self._attempts, self._decision.request.include_usage
        last = envelope.usage(attempts.done[-1], attempts.cost_usd) if wanted else b""
        await self._http.end(last + DONE)
        self._check(text, ended_at)

    def _check(self, text: str | None, ended_at: float) -> None:
        """Queue the answer, which has been sent, to be validated, judged and compared as it should be."""
        services, decision, done = self._services, self._decision, self._attempts.done
        if self._is_judged:
            judge(services.queues.judging, decision, done[-1], text)
        if self._is_compared:
            compare(services.queues.comparing, decision, done, text, services.model_states)
        if decision.request.features.wants_json:
            check = check_for(decision, done[-1], text, ended_at)
            if check is not None:
                services.validator.add(check)

    def _completed(self) -> None:
        """Note of the model that it has answered, and of the conversation who did."""
        attempts, services = self._attempts, self._services
        model_states, now = services.model_states, services.loop_clock()
        if not model_states.cooldowns.are_none:
            model_states.cooldowns.succeeded(attempts.served_id, now, attempts.began_at)
        usage = attempts.usage
        if usage is not None and usage.tokens is not None:
            model_states.holds.answered(attempts.model_id, usage.tokens.prompt_tokens)
        conversation = self._decision.conversation
        if conversation is not None and (sticky := self._decision.router.sticky) is not None:
            done = attempts.done[-1]
            # What it read from the provider's cache or wrote to it is there when the conversation goes on.
            cached_tokens = done.cached_tokens + done.token_details.get("cache_write_tokens", 0)
            sticky.keep(conversation, attempts.model_id, cached_tokens, now)

    def _in_turn(self, call: Callable[[Provider, Call], Awaitable[T]]) -> Awaitable[T]:
        services = self._services
        return try_in_turn(
            self._decision, self._attempts, services.providers, services.model_states, services.clock, call
        )

    async def _hold(self, provider: Provider, call: Call) -> tuple[list[Chunk], AsyncGenerator[list[Chunk], None]]:
        """Read a stream up to its first sign of life, and return what came so far with the rest of the stream."""
        events = provider.stream(call, self._relay) if call.streams else stream_plainly(provider, call)
        # The headers are held back meanwhile: after them no other model could take over unseen by the client.
        held: list[Chunk] = []
        try:
            async for chunks in events:
                held += chunks
                for chunk in chunks:
                    self._attempts.take(chunk)
                if any(chunk.lives for chunk in chunks):
                    self._services.model_states.cooldowns.released(self._attempts.served_id)
                    return held, events
            raise ProviderError(Verdict.FAILED, "the stream ended before it said anything")
        except BaseException:
            await events.aclose()
            raise

    def _relay(self, run: Run) -> bool:
        """Send chunks that a provider's connection has received, if the client has been sent all before them."""
        if self._envelope is None or not self._http.keeps_up:
            return False
        self._attempts.text_bytes += run.text_bytes
        self._http.write_now(self._envelope.run(run))
        return True

    async def _cut(self, error: ProviderError) -> None:
        """End a stream that broke after its first sign of life: an error event, and no `[DONE]`."""
        model_id, served_id = self._attempts.model_id, self._attempts.served_id
        self._attempts.fail(error)
        fields = self._decision.request.forwarded(self._decision.router.options.task_metadata_key)
        self._services.model_states.cooldowns.failed(served_id, error, self._services.loop_clock(), fingerprint(fields))
        log.warning(
            "request %s: %s: %s; the stream ends with an error",
            self._decision.completion_id,
            model_id,
            error.summary,
            extra={"about": model_id},
        )
        told = AllModelsFailed(f"the answer of {model_id} was cut off: {error.message}")
        with contextlib.suppress(GatewayError):
            await self._record(self._partial_or(Status.FAILED), error=told)
        await self._http.end(error_event(told))

    async def _fail(self, error: GatewayError) -> None:
        """Respond with an error, as a whole response or an event, and record it if nothing was recorded yet."""
        if not self._recorded:
            self._attempts.end(Ending.FAILED)
            self._reason = self._explain()
            status = self._partial_or(Status.FAILED) if self._http.started else Status.FAILED
            status = Status.REJECTED if error.status in {400, 413, 422} else status
            with contextlib.suppress(GatewayError):
                await self._record(status, error=error)
        if self._http.started:
            await self._http.end(error_event(error))
        else:
            await self._http.fail(error, self._headers(usd(self._attempts.cost_usd)))

    async def _stopped(self) -> None:
        """End a request that a stop of the gateway cancelled. Its cost is recorded, and the model is not blamed."""
        self._attempts.end(Ending.CLIENT_GONE)
        self._services.model_states.cooldowns.released(self._attempts.served_id)
        await self._fail(_stopping())

    async def _client_gone(self) -> None:
        """End a request whose client has disconnected. The call is cancelled, and its cost recorded."""
        self._attempts.end(Ending.CLIENT_GONE)
        self._services.model_states.cooldowns.released(self._attempts.served_id)
        self._reason = self._reason or self._explain()
        status = self._partial_or(Status.CLIENT_GONE)
        with contextlib.suppress(GatewayError):
            await self._record(status, http_status=499)

    def _partial_or(self, status: Status) -> Status:
        """PARTIAL if the stream has brought content, which can be scored; reasoning alone can't."""
        return Status.PARTIAL if self._attempts.first_token_seconds is not None else status

    async def _record(
        self,
        status: Status,
        *,
        error: GatewayError | None = None,
        http_status: int = 200,
        answer: bytes = b"",
    ) -> float:
        """Record the outcome, once, and return its time. Raises Unavailable."""
        self._recorded = True
        decision, services = self._decision, self._services
        keep = decision.router.options.store_content
        ended_at = services.clock()
        record = build_record(
            decision,
            self._attempts,
            status,
            key_id=self._key.id,
            ended_at=ended_at,
            seconds=perf_counter() - self._started,
            reason=self._reason,
            error=error,
            http_status=http_status,
            content=Content(msgspec.json.encode(decision.request.fields), answer) if keep else None,
        )
        decision.router.spend.settle(decision.expected_usd, self._attempts.cost_usd, ended_at)
        if self._reservation is not None:
            self._reservation.settle(record.outcome)
        began = perf_counter()
        try:
            await services.recorder.completion(record)
        except LedgerError as lost:
            unrecorded = _unrecorded()
            error = error or unrecorded
            raise unrecorded from lost
        except (GatewayError, asyncio.CancelledError) as lost:
            error = error or (lost if isinstance(lost, GatewayError) else _stopping())
            raise
        finally:  # before the client has its last byte: whoever scrapes then finds it counted
            services.observer.completed(
                record, error, perf_counter() - began, self._attempts.trace, decision.router.models
            )
        return ended_at

    def _explain(self) -> str:
        """The reason of the answer; that of a first draw is the same for all requests that drew alike."""
        decision, attempts = self._decision, self._attempts
        draw, alike, choice = attempts.draw, attempts.alike, decision.cached.choice
        is_first = draw is decision.draw
        if is_first and alike.reason is not None:
            return alike.reason
        call_site = decision.router.tasks.called.get(choice.context.task, "")
        said = explain(choice, draw, attempts.done, call_site)
        if attempts.model.provider == SIMULATED:
            said += " (A simulated model: no provider key is configured.)"
        if is_first:
            alike.reason = said
        return said

    def _new_envelope(self) -> Envelope:
        decision = self._decision
        is_read = self._is_judged or self._is_compared or decision.request.features.wants_json
        keeps_text = is_read or decision.router.options.store_content
        return Envelope(
            decision.completion_id, int(decision.at), self._attempts.served_id, self._reason, keeps_text=keeps_text
        )

    def _headers(self, cost: bytes | None = None) -> list[tuple[bytes, bytes]]:
        """The headers of the answer. `cost` is None for streams: it is known only at their end."""
        attempts = self._attempts
        overhead = perf_counter() - self._started - attempts.waited()
        headers = [
            *_chosen(attempts.served_id, attempts.started_count),
            (b"x-router-overhead-ms", b"%.2f" % (overhead * 1000 if overhead > 0.0 else 0.0)),
        ]
        if attempts.variant is not None:
            headers.append((b"x-router-variant", attempts.model_id.encode()))
        if cost is not None:
            headers.append((b"x-router-cost-usd", cost))
        if self._services.recorder.state is not State.OK:
            headers.append(DEGRADED)
        return headers


@lru_cache(maxsize=1_024)
def _chosen(model_id: str, attempts: int) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that many answers have in common."""
    return (b"x-router-selected-model", model_id.encode()), (b"x-router-attempts", b"%d" % attempts)


def _stopping() -> GatewayError:
    return Unavailable("the gateway is being stopped", retry_after_seconds=1)


def _unrecorded() -> GatewayError:
    return Unavailable("the answer can't be recorded now", code="ledger_unavailable", retry_after_seconds=2)


def _answer(provider: Provider, call: Call) -> Awaitable[Answer]:
    return provider.complete(call)
