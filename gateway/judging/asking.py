"""Asks one model beside all requests, a judge or a second model, and says what came of it and what it cost."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from gateway.catalog.catalog import Model
from gateway.judging.reply import NoScore, Unscored
from gateway.providers.upstream.bill import BYTES_PER_TOKEN, NOTHING, Bill, bill_for
from gateway.providers.upstream.provider import Answer, Call, Provider, ProviderError, Usage, Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: the fields of its call, and the seconds that it has. `prompt_tokens` are estimated.

    `tier` is the service tier that the fields ask for.
    """

    model: Model
    fields: Mapping[str, msgspec.Raw]
    prompt_tokens: int
    most_tokens: int  # of the reply
    seconds: float
    tier: str | None = None

    @property
    def most_usd(self) -> float:
        """The most that it is expected to cost: with a reply of the full length."""
        return self._bill(None, self.most_tokens * BYTES_PER_TOKEN, context_window=None).cost_usd

    def bill(self, usage: Usage | None, text_bytes: int = 0) -> Bill:
        """What the call costs: as reported, else as estimated."""
        return self._bill(usage, text_bytes, context_window=self.model.context_window)

    def _bill(self, usage: Usage | None, text_bytes: int, *, context_window: int | None) -> Bill:
        return bill_for(
            self.model.price,
            usage,
            tier=self.tier,
            context_window=context_window,
            estimated_prompt_tokens=self.prompt_tokens,
            text_bytes=text_bytes,
            uncounted_bytes=0,
        )


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """What came of a question: what was read from the reply, or why nothing was; the bill, and the provider's failure.

    Exactly one of `said` and `unscored` is None.
    """

    said: T | None
    unscored: Unscored | None
    bill: Bill
    error: ProviderError | None = None


async def ask(provider: Provider, question: Question, read: Callable[[Answer], T]) -> Reply[T]:
    """Ask, and `read` the answer, which may raise NoScore. Every failure is a reply; only a cancellation is raised."""
    call = Call(
        model=question.model.upstream_name,
        fields=question.fields,
        deadline=asyncio.get_running_loop().time() + question.seconds,
        silence_seconds=question.seconds,
        output_limit=question.model.output_limit,
    )
    try:
        answer = await provider.complete(call)
    except ProviderError as error:
        # A call that ran out of time is billed, if only as estimated; other failures as far as they report it.
        paid = error.usage is not None and error.usage.is_told
        bill = question.bill(error.usage) if paid or error.verdict is Verdict.TIMEOUT else NOTHING
        return Reply(None, _reason(error), bill, error)
    bill = question.bill(answer.usage, answer.text_bytes)
    try:
        return Reply(read(answer), None, bill)
    except NoScore as none:
        return Reply(None, none.reason, bill)


def _reason(error: ProviderError) -> Unscored:
    if error.verdict is Verdict.TIMEOUT:
        return Unscored.TIMEOUT
    return Unscored.REFUSED if error.verdict is Verdict.CONTENT else Unscored.FAILED
