# `make check` and `make clients` are what CI runs, in the environment that is active. PYTHON names another one.
PYTHON ?= python

.PHONY: check format lint types imports test clients models screenshots dashboard-check reliability kills outage replicas replay soak scale front-door

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
	$(PYTHON) -m pytest -n 3 --dist loadfile

# Real clients against a real gateway (docs/clients.md): the only target that installs other packages, each client in an
# environment of its own, kept in ~/.cache/bandit-gateway-clients.
clients:
	$(PYTHON) -m tests.acceptance.clients

# The dashboard in the system's Chromium, with traffic of simulated users: the pictures of the documentation, and every
# page in every theme and width with what axe, the console and a sideways scroll tell.
screenshots:
	$(PYTHON) -m tests.acceptance.dashboard.screenshots docs/img

dashboard-check:
	$(PYTHON) -m tests.acceptance.dashboard.screenshots

# Renews the facts on models that ship, from a downloaded https://models.dev/api.json:
# make models FROM=api.json AS_OF=2026-08-18
models:
	$(PYTHON) -m gateway.cli models refresh --from $(FROM) --as-of $(AS_OF) --to gateway/catalog/data/models.json

# The long forms of tests/reliability (its README has figures), about half an hour. CI runs the short ones.
ROUNDS ?= 50
SECONDS ?= 30
WRITTEN ?= 20000
DECISIONS ?= 10000
MINUTES ?= 10
CONNECTIONS ?= 64
REQUESTS ?= 1000000
DATABASES ?= sqlite postgresql
DURABILITY = $(PYTHON) -m tests.reliability.durability

reliability: kills outage replicas replay soak scale front-door

kills:
	for database in $(DATABASES); do $(DURABILITY) --rounds $(ROUNDS) --database $$database || exit 1; done

outage:
	$(DURABILITY) --outage $(SECONDS)

replicas:
	for database in $(DATABASES); do $(DURABILITY) --replicas 4 --requests $(WRITTEN) --database $$database || exit 1; done

replay:
	$(DURABILITY) --replay $(DECISIONS)

soak:
	$(PYTHON) -m tests.reliability.soak --minutes $(MINUTES) --connections $(CONNECTIONS)

scale:
	for database in $(DATABASES); do $(PYTHON) -m tests.reliability.scale --requests $(REQUESTS) --database $$database || exit 1; done

front-door:
	$(PYTHON) -m tests.reliability.front_door
