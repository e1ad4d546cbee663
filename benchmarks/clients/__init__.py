"""Real clients against a real gateway: what each can do with it, and what its user sees."""
