"""Evals: prompts with graders, asked of each model, so that a router has evidence before it has users."""
