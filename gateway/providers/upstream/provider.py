"""The seam to providers: a call goes in, an OpenAI-shaped answer or a stream of OpenAI chunks comes out.

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
from bandit.types import Ending


@dataclass(frozen=True, slots=True)
class Call:
    """One request for one provider. `fields` are the caller's, ours removed, each with its own bytes.

    `deadline`, on the event loop's clock, bounds a plain call and a stream until its first sign of life;
    `silence_seconds` bounds each time afterwards in which a stream says nothing. `output_limit` is how many tokens the
    model can answer with, if that is known.
    """

    model: str  # the provider's own name
    fields: Mapping[str, msgspec.Raw]
    deadline: float
    silence_seconds: float
    output_limit: int | None = None
    streams: bool = True  # False: the model can't, so a stream of it is made from its whole answer


@dataclass(frozen=True, slots=True)
class Usage:
    """What a provider reports of one answer.

    `tokens` is None if they are not reported or not believed; `doubt` says what is not believed. `cost_usd` is the
    cost as the provider states it, `tier` the service tier that served.
    """

    tokens: Tokens | None
    cost_usd: float | None = None
    tier: str | None = None
    doubt: str = ""


@dataclass(slots=True)
class Answer:
    """A complete answer: the top-level fields of an OpenAI completion, `id`, `model` and `created` still theirs."""

    fields: dict[str, msgspec.Raw]
    usage: Usage | None
    finish_reason: str | None
    text_bytes: int  # of content and tool calls, to estimate tokens where usage is missing
    text: str | None = None  # the first choice's content, for the validity check


@dataclass(slots=True)
class Chunk:
    """One event of a stream: the top-level fields of an OpenAI chunk.

    `says`: it holds content, a tool call, a refusal or a finish. `thinks`: it holds reasoning, which is a sign of life
    but no answer. A chunk with a role or usage alone does neither. Counts of usage
    are cumulative: the last one holds.
    """

    fields: dict[str, msgspec.Raw]
    says: bool
    thinks: bool = False
    finish_reason: str | None = None
    usage: Usage | None = None
    text_bytes: int = 0
    text: str = ""

    @property
    def lives(self) -> bool:
        """Whether this is a sign of life: from the first one on the client sees the stream."""
        return self.says or self.thinks


class Verdict(StrEnum):
    """Whose fault a failure is, and so what follows (docs/faults.md)."""

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
    """A provider did not answer. `usage`: tokens that it reported nevertheless."""

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

    @property
    def ending(self) -> Ending:
        """How the attempt ends."""
        return ENDINGS[self.verdict]


class Provider(Protocol):
    """A wire format. `stream` yields lists: the chunks that one network read completed.

    A stream that ends without a finish or `[DONE]`, or stalls, raises `ProviderError` with the ending `CUT` after its
    first sign of life, else `FAILED` or `TIMEOUT`. An answer that says nothing or holds an error is no answer.
    """

    max_image_bytes: int | None
    """Size of the largest image in base64 that this kind of provider accepts; None: without a limit of its own."""

    async def complete(self, call: Call) -> Answer:
        """The whole answer of a plain call."""
        ...

    def stream(self, call: Call) -> AsyncGenerator[list[Chunk], None]:
        """The chunks of a streamed call. Close the iterator (`aclose`) to cancel the provider's call."""
        ...

    def knows(self, field: str) -> bool:
        """Whether a request field can be sent to this kind of provider."""
        ...
