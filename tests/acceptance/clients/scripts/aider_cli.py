"""The gateway from aider."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering

folder = Path(tempfile.mkdtemp(prefix="aider-"))
(folder / "settings.yml").write_text(
    "- name: openai/dari/routing\n  extra_params:\n    extra_headers:\n"
    + "".join(f"      {name}: {value!r}\n" for name, value in steering("run-aider").items())
)


def aider(*arguments: str) -> str:
    environ = {**os.environ, "OPENAI_API_BASE": BASE_URL, "OPENAI_API_KEY": KEY, "HOME": str(folder)}
    fixed = [
        "--model",
        "openai/dari/routing",
        "--no-git",
        "--yes-always",
        "--no-check-update",
        "--analytics-disable",
        "--no-show-model-warnings",
        "--no-pretty",
        "--no-gitignore",
        "--map-tokens",
        "0",
    ]
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "aider"), *fixed, *arguments, "--message", "Say hello."],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "imulated" in ran.stdout, ran.stdout + ran.stderr
    return ran.stdout[-200:]


@check("stream")
def stream() -> str:
    """An answer in pieces, its default."""
    return aider()


@check("steered")
def steered() -> str:
    """Headers in its file of models."""
    aider("--model-settings-file", "settings.yml")
    return send_score_of_episode("run-aider", 0.9)


run()
