"""The server: HTTP, providers, wiring and the command line."""
