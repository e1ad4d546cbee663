"""Simulated models behind a real HTTP server: OpenAI's wire format, chosen speed and failures, and no intelligence."""

from gateway.simulated.app import SimulatedApp, simulated_app
from gateway.simulated.models import DEFAULT_MODELS, SimulatedModel, true_quality
from gateway.simulated.serving import serve_app, serve_simulated

__all__ = [
    "DEFAULT_MODELS",
    "SimulatedApp",
    "SimulatedModel",
    "serve_app",
    "serve_simulated",
    "simulated_app",
    "true_quality",
]
