"""`python -m gateway.cli` is `bandit-gateway`."""

from gateway.cli import main

main()
