"""Routers in memory: registry, cooldowns, stickiness, daily spend."""
