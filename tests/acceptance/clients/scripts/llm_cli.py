"""The gateway from `llm`, the command line by Simon Willison."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checking import BASE_URL, KEY, check, run, send_score_of_episode, steering

home = Path(tempfile.mkdtemp(prefix="llm-"))
environ = {**os.environ, "LLM_USER_PATH": str(home)}
(home / "extra-openai-models.yaml").write_text(
    "- model_id: bandit\n  model_name: dari/routing\n  api_key_name: bandit\n"
    f"  api_base: {BASE_URL}\n  supports_tools: true\n  supports_schema: true\n"
    "  headers:\n" + "".join(f"    {name}: {value!r}\n" for name, value in steering("run-llm").items())
)
(home / "keys.json").write_text(json.dumps({"bandit": KEY}))


def llm(*arguments: str) -> str:
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "llm"), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@check("plain")
def plain() -> str:
    """An answer at once."""
    said = llm("-m", "bandit", "--no-stream", "Say hello.")
    assert said
    return said


@check("stream")
def stream() -> str:
    """An answer in pieces, its default."""
    said = llm("-m", "bandit", "Say hello.")
    assert said
    return said


@check("tools")
def tools() -> str:
    """A function as a tool."""
    code = 'def weather(city: str) -> str:\n    "The weather in a city."\n    return "18 degrees in " + city\n'
    said = llm("-m", "bandit", "--functions", code, "What is the weather in Rome?")
    assert said
    return said


@check("schema")
def schema() -> str:
    """An object of a schema."""
    said = llm("-m", "bandit", "--schema", "name, people int", "Name a city.")
    assert '"people"' in said
    return said


@check("steered")
def steered() -> str:
    """The headers of its file of models."""
    return send_score_of_episode("run-llm", 0.9)


run()
