"""The names by which providers report tokens, and what each of them counts."""

from collections.abc import Mapping
from typing import TypeAlias

Meaning: TypeAlias = "Mapping[str, str | Meaning]"

_LIFETIMES: Meaning = {"ephemeral_5m_input_tokens": "written_5m", "ephemeral_1h_input_tokens": "written_1h"}
CACHE: Meaning = {
    "cached_tokens": "cached",
    "cache_read_input_tokens": "cached",
    "num_cached_tokens": "cached",
    "prompt_cache_hit_tokens": "cached",
    "cacheReadInputTokens": "cached",
    "cacheReadInputTokenCount": "cached",
    "cachedContentTokenCount": "cached",
    "cached_content_token_count": "cached",
    "cache_n": "cached",
    "cache_write_tokens": "written",
    "cache_creation_input_tokens": "written",
    "cache_creation_tokens": "written",
    "cacheWriteInputTokens": "written",
    "cacheWriteInputTokenCount": "written",
    "cache_creation": _LIFETIMES,
    "cache_creation_token_details": _LIFETIMES,
    "cacheDetails": _LIFETIMES,
}
_CACHED_DETAILS: Meaning = {"audio_tokens": "cached_audio", "image_tokens": "cached_images"}
_PROMPT_DETAILS: Meaning = {
    **CACHE,
    "audio_tokens": "audio",
    "image_tokens": "images",
    "cached_tokens_details": _CACHED_DETAILS,
}
_COMPLETION_DETAILS: Meaning = {
    "reasoning_tokens": "reasoning",
    "thinking_tokens": "reasoning",
    "audio_tokens": "spoken",
    "image_tokens": "drawn",
    "accepted_prediction_tokens": "accepted",
    "rejected_prediction_tokens": "rejected",
}
_BILLED: Meaning = {"input_tokens": "prompt", "output_tokens": "completion"}
USAGE: Meaning = {
    **CACHE,
    **_BILLED,
    "prompt_tokens": "prompt",
    "inputTokens": "prompt",
    "inputTokenCount": "prompt",
    "promptTokens": "prompt",
    "promptTokenCount": "prompt",
    "prompt_token_count": "prompt",
    "prompt_n": "prompt",
    "completion_tokens": "completion",
    "outputTokens": "completion",
    "outputTokenCount": "completion",
    "completionTokens": "completion",
    "candidatesTokenCount": "completion",
    "candidates_token_count": "completion",
    "predicted_n": "completion",
    "total_tokens": "total",
    "totalTokens": "total",
    "totalTokenCount": "total",
    "total_token_count": "total",
    "reasoning_tokens": "reasoning",
    "thoughtsTokenCount": "reasoning",
    "thoughts_token_count": "reasoning",
    "citation_tokens": "cited",
    "num_search_queries": "searches",
    "server_tool_use": {"web_search_requests": "searches"},
    "billed_units": _BILLED,  # Cohere: it counts more tokens than it bills
    "prompt_tokens_details": _PROMPT_DETAILS,
    "prompt_token_details": _PROMPT_DETAILS,
    "promptTokensDetails": _PROMPT_DETAILS,
    "input_tokens_details": _PROMPT_DETAILS,
    "input_token_details": _PROMPT_DETAILS,
    "cacheTokensDetails": _CACHED_DETAILS,
    "completion_tokens_details": _COMPLETION_DETAILS,
    "candidatesTokensDetails": _COMPLETION_DETAILS,
    "output_tokens_details": _COMPLETION_DETAILS,
    "output_token_details": _COMPLETION_DETAILS,
}
"""What each name in a usage object counts, or what the names of an object within it do."""
APART = frozenset({"input_tokens", "inputTokens", "inputTokenCount", "prompt_n"})
"""Names of the prompt's tokens that leave out a cache told beside them: Anthropic's, Bedrock's, llama.cpp's."""
