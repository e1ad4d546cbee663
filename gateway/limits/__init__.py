"""Limits of API keys, held while requests run: see docs/limits.md."""
