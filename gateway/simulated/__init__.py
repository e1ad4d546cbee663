"""Simulated models behind a real HTTP server that speaks OpenAI's format, with set speeds, prices and failure rates."""

from gateway.simulated.app import SimulatedApp, simulated_app
from gateway.simulated.models import DEFAULT_MODELS, SimulatedModel, true_quality
from gateway.simulated.server import serve_app, serve_simulated

__all__ = [
    "DEFAULT_MODELS",
    "SimulatedApp",
    "SimulatedModel",
    "serve_app",
    "serve_simulated",
    "simulated_app",
    "true_quality",
]
