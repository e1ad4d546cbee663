"""Interface of providers: takes a call, returns an answer or a stream of chunks in OpenAI's format.

Errors: every failure that is not the client's own leaving is a `ProviderError`, and says by its `verdict` whose
fault it is (docs/faults.md). Cancelling the awaiting task closes the provider's connection at once.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

import msgspec

from bandit.price import Tokens
from bandit.quick import quick_dataclass
from bandit.types import Ending
from gateway.providers.upstream.template import Relay, Run


@quick_dataclass(frozen=True, slots=True)
class Call:
    """Call of one model. `fields` are the caller's without the gateway's own, each as the bytes that the caller sent.

    `deadline`, on the event loop's clock, limits a plain call, and a stream until its first content or reasoning;
    `silence_seconds` limits each time without any afterwards. `output_limit` is the largest number of tokens that the
    model can answer with, if known.
    """

    model: str  # the provider's own name
    fields: Mapping[str, msgspec.Raw]
    deadline: float
    silence_seconds: float
    output_limit: int | None = None
    trace_headers: bytes = b""  # lines for the provider's request
    streams: bool = True  # False: a stream has to be made from the model's whole answer


@quick_dataclass(frozen=True, slots=True)
class Usage:
    """What a provider reports of one answer.

    `tokens` is None if they are not reported or not believed; `doubt` says what is not believed. `cost_usd` is the
    cost as the provider states it, `tier` the service tier that served, `factor` what its place adds to the price.
    """

    tokens: Tokens | None
    cost_usd: float | None = None
    tier: str | None = None
    factor: float = 1.0
    doubt: str = ""

    @property
    def is_told(self) -> bool:
        """Whether it reports anything that is believed."""
        return self.tokens is not None or self.cost_usd is not None


@quick_dataclass(frozen=True, slots=True)
class Answer:
    """Complete answer: the top-level fields of an OpenAI completion, with the provider's `id` and `model`."""

    fields: dict[str, msgspec.Raw]
    usage: Usage | None
    finish_reason: str | None
    text_bytes: int  # of content and tool calls, to estimate tokens if usage is missing
    text: str | None = None  # the first choice's content, for the validity check
    counts_alone: bool = False  # the usage is known to be an object of counts, without a cost


@dataclass(slots=True)
class Chunk:
    """Event of a stream: the top-level fields of an OpenAI chunk, or a `run` of events.

    `says`: it has content, a tool call, a refusal or a finish reason. `thinks`: it has reasoning. A chunk with a role
    or usage alone does neither. Usage is cumulative: the last one counts.
    """

    fields: dict[str, msgspec.Raw]  # none with a run
    says: bool
    thinks: bool = False
    finish_reason: str | None = None
    usage: Usage | None = None
    text_bytes: int = 0
    text: str = ""
    run: Run | None = None

    @property
    def lives(self) -> bool:
        """Whether the model says or thinks something: the first such chunk releases the client's headers."""
        return self.says or self.thinks


class Verdict(StrEnum):
    """Cause of a failure, which decides what follows (docs/faults.md)."""

    PARKED = "parked"  # any request would meet it: our key, our money, our name of the model
    RATE_LIMITED = "rate-limited"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CUT = "cut"  # failed after the stream's first content
    UNKNOWN_FIELD = "unknown field"  # the provider doesn't know, or never takes, a field
    REFUSED_VALUE = "refused value"  # the model can't do what a field asks for; another may
    TOO_LONG = "too long"  # for the model's context
    CONTENT = "content"  # refused for safety
    REFUSED = "refused"  # the caller's mistake, or the model's own limit: asking another model tells


ENDINGS: Mapping[Verdict, Ending] = MappingProxyType(
    {
        Verdict.PARKED: Ending.MISCONFIGURED,
        Verdict.RATE_LIMITED: Ending.RATE_LIMITED,
        Verdict.FAILED: Ending.FAILED,
        Verdict.TIMEOUT: Ending.TIMEOUT,
        Verdict.CUT: Ending.CUT,
        Verdict.UNKNOWN_FIELD: Ending.INCAPABLE,
        Verdict.REFUSED_VALUE: Ending.INCAPABLE,
        Verdict.TOO_LONG: Ending.INCAPABLE,
        Verdict.CONTENT: Ending.REJECTED,
        Verdict.REFUSED: Ending.REJECTED,
    }
)


class ProviderError(Exception):
    """A provider failed to answer. `usage`: what it reported nevertheless."""

    def __init__(
        self,
        verdict: Verdict,
        message: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        param: str | None = None,
        code: str | None = None,
        context_tokens: int | None = None,
        about_key: bool = False,
        usage: Usage | None = None,
        summary: str | None = None,
    ) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.message = message  # redacted, at most 500 characters
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.param = param  # the request's top-level field that is meant
        self.code = code
        self.context_tokens = context_tokens  # the model's context length, if stated
        self.about_key = about_key  # another key of the provider's may not meet it
        self.usage = usage
        self.summary = message if summary is None else summary  # for the log: without the provider's own words

    @property
    def ending(self) -> Ending:
        """How the attempt ends."""
        return ENDINGS[self.verdict]


class Provider(Protocol):
    """Adapter of one provider. `stream` yields lists: the chunks that one network read completed.

    A stream that stalls, or ends without a finish reason or `[DONE]`, raises `ProviderError`: `CUT` after its first
    content or reasoning, else `FAILED` or `TIMEOUT`. An answer without content, or with an error in it, is a failure.
    """

    max_image_bytes: int | None
    """Size of the largest image in base64 that this kind of provider accepts; None: without a limit of its own."""

    async def complete(self, call: Call) -> Answer:
        """Call the model and return its whole answer."""
        ...

    def stream(self, call: Call, relay: Relay | None = None) -> AsyncGenerator[list[Chunk], None]:
        """Call the model and yield the chunks of its stream. `aclose` on the iterator cancels the call.

        What the relay takes, while chunks are waited for, is not yielded.
        """
        ...

    def knows(self, field: str) -> bool:
        """Whether a request field can be sent to this kind of provider."""
        ...
