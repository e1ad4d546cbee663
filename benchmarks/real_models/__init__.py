"""Real models: the questions, and asking them alone and through the gateway."""
