"""Asks one judge for the grade of one answer, and says what it cost."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from gateway.catalog.catalog import Model
from gateway.judging.prompt import MOST_REPLY_TOKENS, Material, judge_fields
from gateway.judging.reply import Grade, NoScore, Unscored, read_reply
from gateway.providers.upstream.bill import BYTES_PER_TOKEN, NOTHING, Bill, bill_for
from gateway.providers.upstream.provider import Answer, Call, Provider, ProviderError, Usage, Verdict


@dataclass(frozen=True, slots=True)
class Question:
    """What a judge is asked: the fields of its call, with the time that it has."""

    judge: Model
    fields: Mapping[str, msgspec.Raw]
    seconds: float

    @property
    def prompt_tokens(self) -> int:
        """The prompt's tokens, estimated from its length."""
        return -(-len(memoryview(self.fields["messages"])) // BYTES_PER_TOKEN)

    @property
    def most_usd(self) -> float:
        """The most that it is expected to cost: with a reply of the full length."""
        price = self.judge.price
        return bill_for(
            price,
            None,
            context_window=None,
            estimated_prompt_tokens=self.prompt_tokens,
            text_bytes=MOST_REPLY_TOKENS * BYTES_PER_TOKEN,
            uncounted_bytes=0,
        ).cost_usd

    def bill(self, usage: Usage | None, text_bytes: int = 0) -> Bill:
        """What the call costs: as reported, else as estimated."""
        return bill_for(
            self.judge.price,
            usage,
            context_window=self.judge.context_window,
            estimated_prompt_tokens=self.prompt_tokens,
            text_bytes=text_bytes,
            uncounted_bytes=0,
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a question: a grade or the reason why there is none, the bill, and the provider's failure if any."""

    grade: Grade | None
    unscored: Unscored | None
    bill: Bill
    error: ProviderError | None = None


def question(judge: Model, material: Material, seconds: float) -> Question:
    """The question for a judge."""
    return Question(judge, judge_fields(material, structured="json_schema" in judge.abilities), seconds)


async def ask(provider: Provider, asked: Question) -> Judgement:
    """Ask the judge. Every failure is a judgement without a grade; only a cancellation is raised."""
    call = Call(
        model=asked.judge.upstream_name,
        fields=asked.fields,
        deadline=asyncio.get_running_loop().time() + asked.seconds,
        silence_seconds=asked.seconds,
        output_limit=asked.judge.output_limit,
    )
    try:
        answer = await provider.complete(call)
    except ProviderError as error:
        # A call that ran out of time is billed, if only as estimated; other failures as far as they report it.
        paid = error.usage is not None and error.usage.is_told
        bill = asked.bill(error.usage) if paid or error.verdict is Verdict.TIMEOUT else NOTHING
        return Judgement(None, _reason(error), bill, error)
    return _judgement(answer, asked)


def _judgement(answer: Answer, asked: Question) -> Judgement:
    bill = asked.bill(answer.usage, answer.text_bytes)
    try:
        return Judgement(read_reply(answer.text, answer.finish_reason), None, bill)
    except NoScore as none:
        return Judgement(None, none.reason, bill)


def _reason(error: ProviderError) -> Unscored:
    if error.verdict is Verdict.TIMEOUT:
        return Unscored.TIMEOUT
    return Unscored.REFUSED if error.verdict is Verdict.CONTENT else Unscored.FAILED
