"""The routes on FastAPI: everything but completions, which `gateway.app` dispatches itself."""
