"""Service tiers: those that each provider sells, and what a request sends for them."""

import re
from collections.abc import Iterable, Mapping

from bandit.types import Json
from gateway.catalog.names import canonical

TIERS: Mapping[str, tuple[str, ...]] = {
    "openai": ("flex", "priority"),
    "azure": ("priority",),
    "google": ("flex", "priority"),
    "groq": ("flex", "performance"),
    "openrouter": ("flex", "priority"),
}
"""Values of `service_tier` by vendor, beside the standard one, of which nothing is said."""
FAST = "fast"
"""Anthropic's fast mode, which `speed` asks for."""
_FAST_MODELS = re.compile(r"^claude-opus-(4-[678]|5)")


def tiers_of(vendor: str, kind: str, name: str, declared: Iterable[str]) -> Mapping[str, Mapping[str, Json]]:
    """The tiers of a model: what each of them sends. `declared` are those that the configuration prices."""
    known = () if kind == "anthropic" else TIERS.get(vendor, ())
    sent: dict[str, Mapping[str, Json]] = {tier: {"service_tier": tier} for tier in (*known, *declared)}
    if kind == "anthropic" and _FAST_MODELS.search(canonical(name)):
        sent[FAST] = {"speed": FAST}
    return sent
