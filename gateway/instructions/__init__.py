"""Interprets `routing.instructions`: from prose to multipliers on the objective and a filter of the candidates.

A small grammar, deterministic and linear in the length of the text. It reads wishes (cheaper, faster, stronger; only,
prefer or never this model) under conditions (for, when, if, unless; a kind of task, its length, tools). What it does
not understand it reports, and never guesses.
"""

from gateway.instructions.interpretation import Instructions, Interpretation, interpret

__all__ = ["Instructions", "Interpretation", "interpret"]
