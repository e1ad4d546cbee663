"""The bill of one call: the provider's own figures as far as they are plausible, else an estimate."""

from dataclasses import replace

from bandit.price import Price, Tokens
from bandit.quick import quick_dataclass
from gateway.providers.upstream.provider import Usage

BYTES_PER_TOKEN = 4
"""Of text that the provider's count does not cover."""
MOST_CONTEXTS = 10
"""A token count above this many times the model's context is not plausible."""
LARGEST_CONTEXT = 10_000_000
"""The context assumed for that if the model's is unknown."""


@quick_dataclass(frozen=True, slots=True)
class Bill:
    """Tokens and dollars of one call. `stated`: the provider named the dollars. `doubt`: what was not plausible."""

    tokens: Tokens | None
    cost_usd: float
    estimated: bool = False
    stated: bool = False
    doubt: str = ""


NOTHING = Bill(None, 0.0)
_UNTOLD = Usage(None)


def bill_for(
    price: Price,
    usage: Usage | None,
    *,
    tier: str | None = None,
    context_window: int | None,
    estimated_prompt_tokens: int,
    text_bytes: int,
    uncounted_bytes: int,
) -> Bill:
    """The bill of a call with `text_bytes` of text, `uncounted_bytes` of them after its last usage report.

    `tier` is the service tier that was asked for: it counts if the provider doesn't say which one served.
    """
    if usage is None:
        usage = _UNTOLD
    tokens, doubt = usage.tokens, usage.doubt
    estimated = tokens is None or uncounted_bytes > 0
    if tokens is not None:
        most = MOST_CONTEXTS * (context_window or LARGEST_CONTEXT)
        if tokens.prompt_tokens + tokens.completion_tokens > most:
            doubt = f"{tokens.prompt_tokens:,} and {tokens.completion_tokens:,} tokens, of a context of {most // 10:,}"
            tokens, estimated = None, True
        elif uncounted_bytes > 0:
            tokens = replace(tokens, completion_tokens=tokens.completion_tokens + _tokens(uncounted_bytes))
    if tokens is None:
        tokens = Tokens(estimated_prompt_tokens, _tokens(text_bytes))
    if usage.cost_usd is not None:
        return Bill(tokens, usage.cost_usd, estimated, stated=True, doubt=doubt)
    return Bill(tokens, usage.factor * price.bill_usd(tokens, usage.tier or tier), estimated, doubt=doubt)


def _tokens(text_bytes: int) -> int:
    return -(-text_bytes // BYTES_PER_TOKEN)
