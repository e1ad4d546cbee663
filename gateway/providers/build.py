"""Declared providers become adapters."""

from collections.abc import Mapping

from gateway.providers.anthropic.adapter import AnthropicProvider
from gateway.providers.http.client import HttpClient
from gateway.providers.openai.adapter import OpenAIProvider
from gateway.providers.upstream.provider import Provider
from gateway.settings import SIMULATED, ProviderSettings


def build_providers(
    declared: Mapping[str, ProviderSettings], client: HttpClient, simulated_url: str | None
) -> dict[str, Provider]:
    """An adapter for each provider, by name."""
    providers: dict[str, Provider] = {}
    for settings in declared.values():
        adapter = AnthropicProvider if settings.kind == "anthropic" else OpenAIProvider
        providers[settings.name] = adapter(settings, client)
    if simulated_url is not None:
        providers[SIMULATED] = OpenAIProvider(ProviderSettings(SIMULATED, "openai", simulated_url), client)
    return providers
