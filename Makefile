# `make check` and `make clients` are what CI runs, in the environment that is active. PYTHON names another one.
PYTHON ?= python

.PHONY: check format lint types imports test clients

check: format lint types imports test

format:
	$(PYTHON) -m ruff format --check .

lint:
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

imports:
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

test:
	$(PYTHON) -m pytest

# Real clients against a real gateway (docs/clients.md): the only target that installs other packages, each client in an
# environment of its own, kept in ~/.cache/bandit-gateway-clients.
clients:
	$(PYTHON) -m benchmarks.clients
