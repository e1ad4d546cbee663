"""Rounds a request's lengths to coarse geometric buckets, so that many requests share one choice.

The policy is defined on buckets, not on exact lengths: probabilities that are computed once per bucket and snapshot
are exact for every request of the bucket.
"""

import math
from functools import lru_cache

from bandit.types import Context, PromptParts

PROMPT_STEPS = 2
"""Buckets per doubling of a prompt's tokens; other lengths have one."""


@lru_cache(maxsize=4_096)
def bucketed(
    task: str,
    parts: PromptParts,
    *,
    max_tokens: int | None,
    stream: bool,
    wants_json: bool,
    cached_tokens: int = 0,
    cached_by: str | None = None,
) -> Context:
    """The context of a request, its lengths rounded to the nearest bucket.

    >>> context = bucketed("code", PromptParts(700, tools=90), max_tokens=100, stream=True, wants_json=False)
    >>> context.prompt_tokens, context.tool_tokens, context.max_tokens
    (724, 91, 128)
    """
    text, tools, images, audio, files = [_nearest(tokens, PROMPT_STEPS) for tokens in parts]
    cached = _nearest(cached_tokens, PROMPT_STEPS) if cached_by is not None else 0
    return Context(
        task=task,
        prompt_tokens=text,
        max_tokens=None if max_tokens is None else _nearest(max_tokens, 1),
        cached_tokens=cached,
        stream=stream,
        wants_json=wants_json,
        cached_by=cached_by if cached else None,
        tool_tokens=tools,
        image_tokens=images,
        audio_tokens=audio,
        file_tokens=files,
    )


@lru_cache(maxsize=4_096)
def _nearest(tokens: int, steps: int) -> int:
    """The nearest power of 2^(1/steps), rounded to a whole number; 0 for 0 and less."""
    return round(2.0 ** (round(math.log2(tokens) * steps) / steps)) if tokens > 0 else 0
