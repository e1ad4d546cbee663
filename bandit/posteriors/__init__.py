"""Posteriors: what is believed of each arm, from additive statistics and a prior."""
