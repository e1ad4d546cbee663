"""Runs the demo's gateway: a process of its own with a temporary database and none of the user's configuration."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.settings.presets import PRESETS, SIMULATED_MODELS

QUALITY_USD = 0.01
SECOND_USD = 0.0002
FAILURE_USD = 0.005
LEARNER = "rtr_demo"
RANDOM = "rtr_random"
STOP_SECONDS = 20.0


class DemoError(Exception):
    """The demo's gateway did not start or did not answer; the message holds what it printed last."""


@dataclass(frozen=True, slots=True)
class DemoGateway:
    """The URL of the demo's gateway, a key with all scopes, and the link that opens the dashboard once."""

    url: str
    key: str
    sign_in: str = ""


def fixed_router(model: str) -> str:
    """The id of the router that always uses one model."""
    return f"rtr_{model}"


@contextmanager
def run_gateway() -> Iterator[DemoGateway]:
    """Run a gateway process for as long as the context lasts. Raises DemoError."""
    key = secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory(prefix="bandit-gateway-demo-") as folder:
        config = Path(folder, "demo.toml")
        config.write_text(configuration(Path(folder, "demo.db")), "utf-8")
        log = Path(folder, "log")
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
        with (
            log.open("wb") as stderr,
            subprocess.Popen(  # noqa: S603 - our own command
                command, env=_environment(key), cwd=folder, stdout=subprocess.PIPE, stderr=stderr, text=True
            ) as process,
        ):
            try:
                url, sign_in = _wait_until_ready(process, log)
                yield DemoGateway(url, key, sign_in)
            finally:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def configuration(database: Path) -> str:
    """A configuration file with the learning router, one router per fixed model, and one that draws uniformly."""
    models = ", ".join(f'"simulated/{model}"' for model in SIMULATED_MODELS)
    policies = {
        LEARNER: "thompson",
        RANDOM: "uniform",
        **{fixed_router(model): f"fixed:simulated/{model}" for model in SIMULATED_MODELS},
    }
    objective = f"{{ quality_usd = {QUALITY_USD}, second_usd = {SECOND_USD}, failure_usd = {FAILURE_USD} }}"
    routers = [
        f'[routers.{router_id}]\nmodels = [{models}]\npolicy = "{policy}"\nobjective = {objective}\n'
        for router_id, policy in policies.items()
    ]
    return f'listen = "127.0.0.1:0"\ndatabase_url = "sqlite:///{database}"\n' + "\n".join(routers)


def _environment(key: str) -> dict[str, str]:
    theirs = {preset.variable for preset in PRESETS.values()}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in theirs and not name.startswith("BANDIT_GATEWAY_")
    }
    return {**kept, "BANDIT_GATEWAY_ADMIN_KEY": key, "PYTHONUNBUFFERED": "1"}


def _wait_until_ready(process: "subprocess.Popen[str]", log: Path) -> tuple[str, str]:
    """The URL and the sign-in link in the banner, which the gateway prints once it answers. Raises DemoError."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    url = ""
    for line in process.stdout:
        if match := re.search(r"answers on (http://\S+)", line):
            url = match[1]
        elif url:
            match = re.search(r"(http://\S+\?once=\S+)", line)
            return url, match[1] if match else ""
    said = log.read_text("utf-8", "replace").strip().splitlines()
    raise DemoError(f"the demo's gateway did not start: {said[-1] if said else 'it said nothing'}")
