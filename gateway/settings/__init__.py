"""The configuration: what the file and the environment declare, and defaults for the rest."""

from gateway.settings.loading import load, missing_database
from gateway.settings.values import (
    ABILITIES,
    DEFAULT_CONFIG,
    DEFAULT_ROUTER,
    SIMULATED,
    ModelSettings,
    ProviderSettings,
    RouterDeclaration,
    Settings,
    SettingsError,
)

__all__ = [
    "ABILITIES",
    "DEFAULT_CONFIG",
    "DEFAULT_ROUTER",
    "SIMULATED",
    "ModelSettings",
    "ProviderSettings",
    "RouterDeclaration",
    "Settings",
    "SettingsError",
    "load",
    "missing_database",
]
