"""Replay: what policies would have cost and scored on data where every model answered every prompt."""
