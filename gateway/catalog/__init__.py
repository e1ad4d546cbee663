"""The catalog: models, their prices and what they can do."""
