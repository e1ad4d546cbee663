"""Every command line of the README and the pages is run, with this test's folders in place of the system's.

What changes the machine (users, services, packages, containers) is a stub that keeps how it was called.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import COMMAND_LINE, GatewayProcess, clean_environ
from tests.support.processes import CHECKOUT

PAGES = [CHECKOUT / "README.md", *sorted(CHECKOUT.glob("docs/*.md"))]
BLOCK = re.compile(r"^```(sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(bandit-gateway [a-z][^`]*)`")
STUBS = ("useradd", "systemctl", "docker", "kubectl", "pip", "sqlite3")
ELSEWHERE = re.compile(
    r"bandit-gateway (serve|demo|models refresh|restore|migrate --to|routers purge|rebuild --move|COMMAND)"
)
"""Commands that other tests run, such as tests/gateway/cli/test_serve.py, tests/gateway/catalog/test_refresh.py and
tests/reliability/test_restore.py: they serve, ask first, or need another database."""
MESSAGES = [{"role": "user", "content": "Hi"}]
BODY: Any = {"model": "dari/routing", "messages": MESSAGES, "metadata": {"episode_id": "run-17"}}
CONFIGURATION = """
[routers.rtr_a]
models = ["simulated/swift", "simulated/sage"]
[routers.rtr_trial]
models = ["simulated/swift", "simulated/sage"]
policies = [{ policy = "thompson", share = 0.9 }, { policy = "uniform", share = 0.1 }]
"""
LEVELS = '--model \'{ id = "openai/gpt-6.1-sol", thinking = ["low", "high"] }\''
VARIANTS = (
    '--model simulated/swift --model \'{ id = "simulated/sage", as = "careful", params = { temperature = 0.2 } }\''
)


@dataclass(frozen=True)
class Machine:
    """A folder that stands for a machine, with a gateway on it."""

    folder: Path
    environ: dict[str, str]
    replacements: dict[str, str]

    def run(self, lines: str) -> "subprocess.CompletedProcess[str]":
        """Run the lines as a shell would, after what is only an example was replaced."""
        for before, after in self.replacements.items():
            lines = re.sub(r"(?<!\w)" + re.escape(before), lambda _, text=after: text, lines)  # type: ignore[misc]  # a loop's variable
        command = ["bash", "-e", "-c", lines]
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False, timeout=120
        )

    def stubbed(self) -> str:
        path = self.folder / "stubbed"
        return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    for name in ("deploy", "bandit", "gateway", "storage"):
        (folder / name).symlink_to(CHECKOUT / name) if name != "deploy" else shutil.copytree(
            CHECKOUT / name, folder / name
        )
    programs = folder / "bin"
    for name in ("etc/bandit-gateway", "etc/systemd/system", "etc/nginx/conf.d", "opt/bandit-gateway/bin", "bin"):
        (folder / name).mkdir(parents=True)
    real = f'#!/bin/sh\nexec {sys.executable} {" ".join(COMMAND_LINE)} "$@"\n'
    for name in STUBS:
        _write(programs / name, f'#!/bin/sh\necho {name} "$@" >> {folder}/stubbed\n')
    _write(programs / "bandit-gateway", real)
    _write(programs / "python3", f'#!/bin/sh\necho python3 "$@" >> {folder}/stubbed\n')
    shutil.copy(programs / "pip", folder / "opt/bandit-gateway/bin/pip")
    (folder / "scores.csv").write_text("model_id,score\nsimulated/swift,60\nsimulated/sage,90\n")
    prompt = {"prompt_id": "a", "prompt": "Hi", "grader": {"type": "exact", "expected": "Hi"}}
    (folder / "prompts.jsonl").write_text(json.dumps(prompt))
    url = f"sqlite:///{folder}/bandit-gateway.db"
    with GatewayProcess(folder, f'database_url = "{url}"\n{CONFIGURATION}') as gateway, gateway.client() as http:
        completion = http.post("/rtr_a/chat/completions", json=BODY).json()["id"]
        http.post("/rtr_trial/chat/completions", json=BODY)
        limited = http.post("/admin/api-keys", json={"label": "limited", "scopes": ["routing"]}).json()["id"]
        (folder / "feedback.csv").write_text(f"completion_id,score\n{completion},1\n")
        environ = {
            **clean_environ(),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(CHECKOUT),
            "BANDIT_GATEWAY_KEY": gateway.key,
            "COMPLETION": completion,
        }
        replacements = {
            "/etc/": f"{folder}/etc/",
            "/opt/": f"{folder}/opt/",
            "-g bandit-gateway": "",
            "postgresql://bandit:PASSWORD@127.0.0.1/bandit": url,
            f"--config {folder}/etc/bandit-gateway/bandit-gateway.toml": f"--config {folder}/bandit-gateway.toml",
            "http://127.0.0.1:8790": gateway.url,
            "rtr_default": "rtr_a",
            "chatcmpl-req_…": completion,
            "COMPLETION_ID": completion,
            "KEY_ID": limited,
            "--model openai/gpt-5-mini": "--model simulated/swift",
            f"routers set rtr_support {LEVELS}": f"routers set rtr_trial {VARIANTS}",
            "routers set rtr_support": "routers set rtr_a",
            '"model": "openai/gpt-5.5"': '"model": "simulated/sage"',
            "rtr_…": "rtr_a",
            "feedback import FILE.csv": "feedback import feedback.csv",
            "FILE.csv": "scores.csv",
            "evals run starter": "evals run prompts.jsonl",
            "FILE.jsonl": "prompts.jsonl",
            "--judge openai/gpt-6.1-sol": "--judge simulated/sage",
            "--name N": f"--name n{secrets.token_hex(2)}",
            "--metric M": "--metric m",
            "--policy P": "--policy uniform",
            "--router ID --experiment": "--router rtr_trial --experiment",
            "--router ID": "--router rtr_a",
            "routers show ID": "routers show rtr_a",
            "routers set ID": "routers set rtr_a",
            'use = "openai/gpt-5.5"': 'use = "simulated/sage"',
            "explain ID": f"explain {completion}",
            "models resume ID": "models resume simulated/swift",
            "keys revoke ID": "keys revoke $(bandit-gateway keys create --label gone --scope routing --json"
            " | python3.real -c 'import json, sys; print(json.load(sys.stdin)[\"id\"])')",
        }
        _write(programs / "python3.real", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        yield Machine(folder, environ, replacements)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def blocks_of(page: Path) -> list[str]:
    """The page's blocks of commands: those marked `sh`, and those that begin with a command of ours or curl."""
    found = BLOCK.findall(page.read_text("utf-8"))
    return [text for marked, text in found if marked or re.match(r"(bandit-gateway|curl) ", text)]


BLOCKS = [(page, text) for page in PAGES for text in blocks_of(page)]
IDS = [f"{page.name}-{index}" for index, (page, _) in enumerate(BLOCKS)]
SPANS = sorted({(page.name, span) for page in PAGES for span in SPAN.findall(page.read_text("utf-8"))})


@pytest.mark.parametrize(
    ("page", "block"), BLOCKS, ids=[f"{page.name}-{index}" for index, (page, _) in enumerate(BLOCKS)]
)
def test_a_block_of_commands_runs(machine: Machine, page: Path, block: str) -> None:
    ran = machine.run(block)
    assert ran.returncode == 0, f"{block}\n{ran.stdout}{ran.stderr}"
    if "curl" in block:
        assert '"error"' not in ran.stdout, ran.stdout


@pytest.mark.parametrize("span", [span for _, span in SPANS if not ELSEWHERE.match(span)])
def test_a_command_in_a_sentence_runs(machine: Machine, span: str) -> None:
    alternatives = [span.replace("csv|jsonl|parquet", kind) for kind in ("csv", "jsonl")] if "|" in span else [span]
    for command in alternatives:
        ran = machine.run(command)
        usage = ran.returncode == 2 and "Usage:" in ran.stderr + ran.stdout and "No such" not in ran.stderr
        assert ran.returncode == 0 or usage, f"{command}\n{ran.stdout}{ran.stderr}"


def test_what_was_not_run_names_files_and_units_that_exist(machine: Machine) -> None:
    for call in machine.stubbed().splitlines():
        for word in call.split():
            if word.startswith("deploy/"):
                assert (CHECKOUT / word).exists(), call
    assert (CHECKOUT / "deploy" / "bandit-gateway@.service").exists()
