"""The ordinary routes: everything but completions, on FastAPI."""
