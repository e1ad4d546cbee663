"""Asks one model through the gateway's own providers, without failover: it has to answer itself.

Repeated with backoff are rate limits, time-outs and failures of the provider; `Retry-After` is respected. What any
request would meet (a refused key, an unknown name) stops the model, and so do several failures in a row.
"""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import msgspec

from bandit.price import Tokens
from gateway.catalog.catalog import Model
from gateway.evals.journal import Journal, Kept, key_of
from gateway.evals.spend_limit import SpendLimit
from gateway.providers.upstream.bill import bill_for
from gateway.providers.upstream.provider import Answer, Call, Provider, ProviderError, Verdict

MOST_TRIES = 6
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 120.0
"""A model that asks for a longer pause is not asked any more."""
MOST_FAILURES = 3
"""Calls in a row that failed in all their tries: then the model is not asked any more."""
DOUBT = 2.0
SPARE_TOKENS = 100
"""The most tokens that a prompt may have: its estimate times `DOUBT`, and these."""

_AGAIN = frozenset({Verdict.RATE_LIMITED, Verdict.FAILED, Verdict.TIMEOUT, Verdict.CUT})


class NoAnswer(Exception):
    """The model gave no answer; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `prompt_tokens` are estimated."""

    fields: Mapping[str, msgspec.Raw]
    prompt_tokens: int
    max_tokens: int


class _Message(msgspec.Struct):
    tool_calls: list["_ToolCall"] | None = None


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str = ""


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None


class Asker:
    """Asks one model. All askers of a run share `slots`, which bounds the calls at once, the limit and the journal."""

    def __init__(
        self,
        model: Model,
        provider: Provider,
        *,
        slots: asyncio.Semaphore,
        limit: SpendLimit,
        journal: Journal,
        timeout_seconds: float,
    ) -> None:
        self.model = model
        self._provider = provider
        self._slots = slots
        self._limit = limit
        self._journal = journal
        self._timeout_seconds = timeout_seconds
        self._not_before = 0.0  # on the event loop's clock
        self._failures = 0
        self._stop = asyncio.Event()
        self.stopped: str | None = None  # why the model is not asked any more
        self.spent_usd = 0.0  # in this run

    async def ask(self, question: Question) -> Kept:
        """The answer, which the journal may have. Raises NoAnswer, LimitReached."""
        key = key_of(self.model.id, question.fields)
        kept = self._journal.answer(key)
        if kept is not None:
            return kept
        for tries in range(1, MOST_TRIES + 1):
            if self._not_before > asyncio.get_running_loop().time():
                await self._pause(self._not_before)  # without a slot, which other models may need
            if self.stopped is not None:
                raise NoAnswer(self.stopped)
            try:
                kept = await self._call(key, question)
            except ProviderError as error:
                await self._fail(error, tries)
            else:
                self._failures = 0
                return kept
        raise AssertionError  # the last try has raised

    def stop(self, why: str) -> None:
        """Ask nothing any more, and end the waits for another try."""
        self.stopped = self.stopped or why
        self._stop.set()

    async def _pause(self, until: float) -> None:
        """Wait until an instant of the event loop's clock, or until the model is not asked any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._stop.wait()

    async def _fail(self, error: ProviderError, tries: int) -> None:
        """Wait before the next try. Raises NoAnswer if there is none."""
        seconds = FIRST_WAIT_SECONDS * 2.0 ** (tries - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        seconds = max(seconds, error.retry_after_seconds or 0.0)
        if error.verdict is Verdict.PARKED:
            self.stop(f"is not asked any more: {error.message}")
        elif error.verdict is Verdict.RATE_LIMITED and seconds > LONGEST_WAIT_SECONDS:
            self.stop(f"is not asked any more: its provider wants a pause of {seconds:,.0f} s")
        if error.verdict in _AGAIN and tries < MOST_TRIES and self.stopped is None:
            until = asyncio.get_running_loop().time() + seconds
            if error.verdict is Verdict.RATE_LIMITED:
                self._not_before = max(self._not_before, until)
            else:
                await self._pause(until)
            return
        if error.verdict in _AGAIN:
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                self.stop(f"is not asked any more, after {MOST_FAILURES} failures: {error.message}")
        raise NoAnswer(self.stopped or error.message) from error

    async def _call(self, key: str, question: Question) -> Kept:
        async with self._slots, self._limit.reserve(most_usd(self.model, question)) as reservation:
            self._journal.begin(key, reservation.usd)
            kept: Kept | None = None
            reservation.spent_usd = reservation.usd  # if this task is cancelled, the call may have been paid
            try:
                kept = await self._answer(question)
                reservation.spent_usd = kept.cost_usd
            except ProviderError as error:
                reservation.spent_usd = self._failed_usd(question, error)
                raise
            finally:
                if kept is not None or reservation.spent_usd != reservation.usd:
                    self._journal.end(key, reservation.spent_usd, kept)
                self.spent_usd += reservation.spent_usd
            return kept

    async def _answer(self, question: Question) -> Kept:
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        began = perf_counter()
        answer = await self._provider.complete(
            Call(
                model=self.model.upstream_name,
                fields=question.fields,
                deadline=deadline,
                silence_seconds=self._timeout_seconds,
                output_limit=self.model.output_limit,
                streams="stream" in self.model.abilities,
            )
        )
        return self._kept(question, answer, perf_counter() - began)

    def _kept(self, question: Question, answer: Answer, seconds: float) -> Kept:
        bill = bill_for(
            self.model.price,
            answer.usage,
            context_window=self.model.context_window,
            estimated_prompt_tokens=question.prompt_tokens,
            text_bytes=answer.text_bytes,
            uncounted_bytes=0 if answer.usage is not None and answer.usage.is_told else answer.text_bytes,
        )
        return Kept(
            text=answer.text,
            calls=_tool_calls(answer),
            finish_reason=answer.finish_reason,
            prompt_tokens=bill.tokens.prompt_tokens if bill.tokens else None,
            completion_tokens=bill.tokens.completion_tokens if bill.tokens else None,
            cost_usd=bill.cost_usd,
            seconds=seconds,
        )

    def _failed_usd(self, question: Question, error: ProviderError) -> float:
        """What a failed call cost: what the provider reports of it, else its prompt if the answer came too late."""
        told = error.usage is not None and error.usage.is_told
        if not told and error.verdict is not Verdict.TIMEOUT:
            return 0.0
        return bill_for(
            self.model.price,
            error.usage,
            context_window=self.model.context_window,
            estimated_prompt_tokens=question.prompt_tokens,
            text_bytes=0,
            uncounted_bytes=0,
        ).cost_usd


def expected_usd(model: Model, question: Question, completion_tokens: int) -> float:
    """What a call costs if its answer has so many tokens, or as many as it may have."""
    return model.price.bill_usd(Tokens(question.prompt_tokens, min(completion_tokens, question.max_tokens)))


def most_usd(model: Model, question: Question) -> float:
    """The most that a call may cost, if the provider keeps to the limit of its answer's length."""
    prompt_tokens = round(DOUBT * question.prompt_tokens) + SPARE_TOKENS
    return model.price.bill_usd(Tokens(prompt_tokens, question.max_tokens))


def _tool_calls(answer: Answer) -> tuple[tuple[str, str], ...]:
    try:
        choices = msgspec.json.decode(answer.fields["choices"], type=list[_Choice])
    except (KeyError, msgspec.DecodeError, msgspec.ValidationError):
        return ()
    message = choices[0].message if choices else None
    calls = (each.function for each in (message.tool_calls or () if message else ()))
    return tuple((each.name, each.arguments) for each in calls if each is not None)
