"""By which names the list of prices and the facts of models know a provider, whatever a configuration calls it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.settings import ProviderSettings


@dataclass(frozen=True, slots=True)
class Vendor:
    """A provider's names: on the price list, among the facts, in configurations; `host` is how its own host ends.

    `hosts_others`: it serves the models of others under names of its own (a cloud).
    """

    price_list: str
    facts: str
    names: tuple[str, ...]
    host: str
    hosts_others: bool = False


VENDORS = (
    Vendor("anthropic", "anthropic", ("anthropic",), "api.anthropic.com"),
    Vendor("aws", "amazon-bedrock", ("bedrock", "amazon-bedrock", "aws"), "amazonaws.com", hosts_others=True),
    Vendor("azure", "azure", ("azure", "azure-openai", "azure-ai"), "azure.com", hosts_others=True),
    Vendor("cerebras", "cerebras", ("cerebras",), "cerebras.ai"),
    Vendor("cohere", "cohere", ("cohere",), "cohere.com"),
    Vendor("cohere", "cohere", (), "cohere.ai"),
    Vendor("deepinfra", "deepinfra", ("deepinfra",), "deepinfra.com"),
    Vendor("deepseek", "deepseek", ("deepseek",), "deepseek.com"),
    Vendor("fireworks", "fireworks-ai", ("fireworks", "fireworks-ai"), "fireworks.ai"),
    Vendor("google", "google", ("gemini", "google"), "generativelanguage.googleapis.com"),
    Vendor("google", "google-vertex", ("vertex", "vertex-ai", "google-vertex"), "googleapis.com", hosts_others=True),
    Vendor(
        "google", "google-vertex-anthropic", ("vertex-anthropic", "google-vertex-anthropic"), "googleapis.com", True
    ),
    Vendor("groq", "groq", ("groq",), "groq.com"),
    Vendor("huggingface", "huggingface", ("huggingface",), "huggingface.co"),
    Vendor("minimax", "minimax", ("minimax",), "minimax.io"),
    Vendor("mistral", "mistral", ("mistral",), "mistral.ai"),
    Vendor("moonshotai", "moonshotai", ("moonshot", "moonshotai", "kimi"), "moonshot.ai"),
    Vendor("nvidia", "nvidia", ("nvidia",), "nvidia.com"),
    Vendor("ollama-cloud", "ollama-cloud", ("ollama-cloud",), "ollama.com"),
    Vendor("openai", "openai", ("openai",), "api.openai.com"),
    Vendor("openrouter", "openrouter", ("openrouter",), "openrouter.ai"),
    Vendor("perplexity", "perplexity", ("perplexity",), "perplexity.ai"),
    Vendor("qwen", "alibaba", ("alibaba", "dashscope", "qwen"), "aliyuncs.com"),
    Vendor("together", "togetherai", ("together", "togetherai"), "together.xyz"),
    Vendor("together", "togetherai", (), "together.ai"),
    Vendor("x-ai", "xai", ("xai", "x-ai"), "api.x.ai"),
    Vendor("zai", "zai", ("zai", "z-ai"), "z.ai"),
)


def vendor_of(provider: ProviderSettings) -> Vendor | None:
    """Who a provider is: by its name, else by the host it is reached at."""
    host = urlsplit(provider.base_url).hostname or ""
    for vendor in VENDORS:
        if provider.name in vendor.names:
            return vendor
    for vendor in VENDORS:
        if host == vendor.host or host.endswith(f".{vendor.host}"):
            return vendor
    return None
