"""How many tokens each part of a prompt has, estimated from its size: the ratios to billed tokens are learned."""

from bandit.types import PromptParts
from gateway.tasks.classifier import BYTES_PER_TOKEN, Features, estimate_prompt_tokens

TOKENS_PER_MESSAGE = 4
TOKENS_PER_PROMPT = 3
"""What OpenAI's chat format adds to the text: each message's frame and role, and the opening of the answer."""
IMAGE_TOKENS = 800
"""A picture of a megapixel: 765 of OpenAI's tokens in high detail, 1,400 of Anthropic's, 258 of Gemini's."""
AUDIO_TOKENS_PER_SECOND = 16
"""OpenAI's take 10, Gemini's 32."""
FILE_TOKENS_PER_KILOBYTE = 50
"""A page of a PDF has some 60 kB and 3,000 tokens, its text and its picture."""


def estimate_text(features: Features) -> int:
    """The estimated tokens of the text of a request's prompt, with the frames of its messages."""
    return estimate_prompt_tokens(features) + TOKENS_PER_MESSAGE * features.messages + TOKENS_PER_PROMPT


def estimate_parts(features: Features) -> PromptParts:
    """The estimated tokens of each part of a request's prompt."""
    return PromptParts(
        text=estimate_text(features),
        tools=round(features.schema_bytes / BYTES_PER_TOKEN),
        images=features.images * IMAGE_TOKENS,
        audio=round(features.audio_seconds * AUDIO_TOKENS_PER_SECOND),
        files=round(features.file_kilobytes * FILE_TOKENS_PER_KILOBYTE),
    )
