"""The demo: a real gateway with simulated models, simulated users who ask and score, and a comparison."""
