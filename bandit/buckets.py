"""Rounds a request's lengths to coarse geometric buckets, so that many requests share one choice.

The policy is defined on buckets, not on exact lengths: probabilities that are computed once per bucket and snapshot
are exact for every request of the bucket.
"""

import math

from bandit.types import Context

PROMPT_STEPS = 2
"""Buckets per doubling of the prompt's length; other lengths have one."""


def bucketed(
    task: str,
    prompt_tokens: int,
    max_tokens: int | None,
    cached_tokens: int,
    stream: bool,
    wants_json: bool,
) -> Context:
    """The context of a request, its lengths rounded to the nearest bucket.

    >>> context = bucketed("code", 700, max_tokens=100, cached_tokens=0, stream=True, wants_json=False)
    >>> context.prompt_tokens, context.max_tokens
    (724, 128)
    """
    return Context(
        task=task,
        prompt_tokens=_nearest(prompt_tokens, PROMPT_STEPS),
        max_tokens=None if max_tokens is None else _nearest(max_tokens, 1),
        cached_tokens=_nearest(cached_tokens, 1),
        stream=stream,
        wants_json=wants_json,
    )


def _nearest(tokens: int, steps: int) -> int:
    """The nearest power of 2^(1/steps), rounded to a whole number; 0 for 0 and less."""
    return round(2.0 ** (round(math.log2(tokens) * steps) / steps)) if tokens > 0 else 0
