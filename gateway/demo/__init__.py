"""`demo`: a real gateway with simulated models, simulated users who ask, wait and score, and what came of it."""

from gateway.demo.show import run

__all__ = ["run"]
