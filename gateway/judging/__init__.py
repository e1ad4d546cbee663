"""Judges: models that score a sample of the answers, beside all requests."""
