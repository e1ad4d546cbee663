"""Well-known providers: with their key in the environment, a short list of their models can be used at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from bandit.price import Price


@dataclass(frozen=True, slots=True)
class Preset:
    """A well-known provider. `price_list` is its name in genai-prices; `models` are its own names."""

    variable: str
    base_url: str
    models: tuple[str, ...]
    kind: str = "openai"


PRESETS: Mapping[str, Preset] = {
    "openai": Preset("OPENAI_API_KEY", "https://api.openai.com/v1", ("gpt-6-luna", "gpt-6.1-terra", "gpt-6.1-sol")),
    "anthropic": Preset(
        "ANTHROPIC_API_KEY",
        "https://api.anthropic.com/v1",
        ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"),
        kind="anthropic",
    ),
    "openrouter": Preset(
        "OPENROUTER_API_KEY",
        "https://openrouter.ai/api/v1",
        ("openai/gpt-6-luna", "google/gemini-3.8-flash", "anthropic/claude-sonnet-5.5"),
    ),
    "gemini": Preset(
        "GEMINI_API_KEY",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        ("gemini-3.5-flash-lite", "gemini-3.8-flash", "gemini-4-argon"),
    ),
    "groq": Preset(
        "GROQ_API_KEY",
        "https://api.groq.com/openai/v1",
        ("openai/gpt-oss-20b", "openai/gpt-oss-120b"),
    ),
    "mistral": Preset(
        "MISTRAL_API_KEY", "https://api.mistral.ai/v1", ("mistral-small-latest", "mistral-medium-latest")
    ),
    "deepseek": Preset("DEEPSEEK_API_KEY", "https://api.deepseek.com/v1", ("deepseek-flash", "deepseek-v4-pro")),
    "together": Preset(
        "TOGETHER_API_KEY",
        "https://api.together.xyz/v1",
        ("zai-org/GLM-5.3-Flash", "openai/gpt-oss-120b", "moonshotai/Kimi-K3.1-Pro"),
    ),
    "xai": Preset("XAI_API_KEY", "https://api.x.ai/v1", ("grok-4.3", "grok-4.7")),
}

SIMULATED_MODELS: Mapping[str, Price] = {
    "swift": Price(0.1e-6, 0.4e-6, 0.01e-6),
    "steady": Price(0.5e-6, 2.0e-6, 0.05e-6),
    "sage": Price(2.5e-6, 10.0e-6, 0.25e-6),
}
"""The models of a gateway without any provider, with their prices, so that everything can be tried."""
