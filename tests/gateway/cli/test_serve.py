"""`serve` and `demo` as a newcomer runs them: real processes, real sockets."""

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import httpx
import psutil
import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app
from tests.support.gateway import GatewayProcess, clean_environ
from tests.support.processes import RunFailed

README = Path(__file__).parents[3] / "README.md"
SECRET = re.compile(r"sk-bg-[A-Za-z0-9_-]{43}")
SECONDS = 60.0


def ask(url: str, key: str, router: str = "rtr_default") -> httpx.Response:
    return httpx.post(
        f"{url}/{router}/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json={"model": "dari/routing", "messages": [{"role": "user", "content": "Say hello."}]},
        timeout=60,
    )


def test_the_readme_s_first_example_needs_what_is_installed_by_its_first_command() -> None:
    example = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)[0]
    imported = {
        line.split()[1].partition(".")[0] for line in example.splitlines() if line.startswith(("import", "from"))
    }
    needed = {
        re.split(r"[^\w.-]", requirement)[0]
        for requirement in requires("bandit-gateway") or ()
        if "extra" not in requirement
    }
    assert imported - sys.stdlib_module_names <= needed


def test_the_pasted_curl_line_answers_and_the_key_outlives_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is configured: a newcomer starts, pastes, tries the README's example, stops and starts again."""
    with GatewayProcess(tmp_path) as gateway:
        (line,) = [line for line in gateway.output.splitlines() if line.strip().startswith("curl ")]
        if shutil.which("curl"):
            answer = json.loads(subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=60).stdout)
        else:
            words = shlex.split(line)
            headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
            answer = httpx.post(words[1], headers=headers, content=words[-1], timeout=60).json()
        assert answer["dari_routing"]["requested_model"] == "dari/routing"
        assert answer["model"].startswith("simulated/")
        assert (tmp_path / "bandit-gateway.db").exists()
        secret = SECRET.findall(gateway.output)[0]
        monkeypatch.setenv("BANDIT_GATEWAY_KEY", secret)
        for example in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL):
            exec(example.replace("http://127.0.0.1:8790", gateway.url), {})  # noqa: S102 - our own README
            assert capsys.readouterr().out.startswith("simulated/")
        assert gateway.stop() == 0, "a stop that was asked for is a success"
        gateway.start()
        assert not SECRET.search(gateway.output), "a key is shown once"
        assert ask(gateway.url, secret).status_code == 200
        assert gateway.stop(signal.SIGINT) == 0
    assert "Traceback" not in gateway.log.read_text()
    database = f"sqlite:///{tmp_path}/bandit-gateway.db"
    explained = CliRunner().invoke(app, ["explain", answer["id"], "--database-url", database])
    assert answer["dari_routing"]["reason"] in explained.stdout
    assert explained.stdout.endswith("replayed: identical\n")
    told = json.loads(CliRunner().invoke(app, ["explain", answer["id"], "--database-url", database, "--json"]).stdout)
    assert told["model"] == answer["model"]
    assert told["replay"]["drawn_again"] is True
    router = ("--router", "rtr_default", "--database-url", database)
    exported = CliRunner().invoke(app, ["export", "--format", "jsonl", *router]).stdout.splitlines()
    assert [json.loads(row)["status"] for row in exported] == ["answered"] * 4
    evaluated = json.loads(CliRunner().invoke(app, ["evaluate", "--policy", "uniform", "--json", *router]).stdout)
    assert "not enough evidence" in evaluated["target"]["refused"]["quality"]
    checked = CliRunner().invoke(app, ["rebuild", "--check", "--database-url", database])
    assert (checked.exit_code, checked.stdout) == (
        0,
        "equal: the statistics and the activity are the sum of the ledger\n",
    )
    faster = ["routers", "set", "rtr_default", "--set", "half_lives={ latency_seconds = 60 }"]
    assert "rebuilt" in CliRunner().invoke(app, [*faster, "--database-url", database]).stderr
    assert CliRunner().invoke(app, ["rebuild", "--check", "--database-url", database]).exit_code == 0


def test_several_workers_serve_what_the_file_says_and_survive_one_anothers_death(tmp_path: Path) -> None:
    text = 'database_url = "sqlite:///mine.db"\n[routers.rtr_mine]\nmodels = ["simulated/sage"]\n'
    with GatewayProcess(tmp_path, text, workers=2) as running:
        key = running.key
        workers = psutil.Process(running.pid).children()
        assert len(workers) == 2
        assert ask(running.url, key, "rtr_mine").json()["model"] == "simulated/sage"
        assert ask(running.url, key).status_code == 404, "no default router beside a declared one"
        assert key not in running.output
        workers[0].kill()
        workers[0].wait(SECONDS)
        answers = [ask(running.url, key, "rtr_mine") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 4
        scored = httpx.post(
            f"{running.url}/feedback",
            headers={"authorization": f"Bearer {key}"},
            json={"completion_id": answers[0].json()["id"], "score": 1},
            timeout=60,
        )
        assert scored.json()["status"] == "recorded", "whichever worker is asked"
        everyone = psutil.Process(running.pid).children()
        assert running.stop() == 0
        assert not psutil.wait_procs(everyone, SECONDS)[1], "no worker is left behind"
    assert (tmp_path / "mine.db").exists()


@pytest.mark.parametrize("command", [["serve"], ["serve", "--database-url", "sqlite:////nowhere/a.db", "--port", "0"]])
def test_what_cannot_start_says_so_in_one_line(tmp_path: Path, command: list[str]) -> None:
    """A port in use and a database that can't be opened: one line with the remedy, status 1, nothing left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "bandit-gateway.toml").write_text(f'listen = "127.0.0.1:{port}"')
        ran = subprocess.run(
            [sys.executable, "-m", "gateway.cli", *command],
            cwd=tmp_path,
            env=clean_environ(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert ("is in use" in ran.stderr) or ("/nowhere/a.db can't be opened" in ran.stderr)
    assert not (tmp_path / "bandit-gateway.db").exists()


def test_the_demo_ends_with_a_comparison(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "demo", "--requests", "24"],
        cwd=tmp_path,
        env={**clean_environ(), "OPENAI_API_KEY": "never-used", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for row in ("router, learning", "always swift", "always steady", "always sage", "at random"):
        assert row in ran.stdout
    assert "/sign-in?once=" in ran.stdout
    assert "worth $ = $10 × quality − spent $ − $0.2 × seconds waited" in ran.stdout
    assert "Next: " in ran.stdout
    assert list(tmp_path.iterdir()) == [], "its database was a temporary one"


BROKEN = """
import builtins, runpy, sys
imported = builtins.__import__
def refuse(name, *given, **named):
    if name == "gateway.dashboard.lost":
        raise OSError("the disk is gone")
    return imported(name, *given, **named)
builtins.__import__ = refuse
runpy.run_module("gateway.cli", run_name="__main__")
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_gateway_that_can_not_load_all_of_itself_ends_with_status_1(workers: int, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    gateway = GatewayProcess(tmp_path, workers=workers, launcher=[str(script)])
    if workers == 1:
        gateway.start(ready=False)
        assert gateway.wait() == 1
    else:
        with pytest.raises(RunFailed, match="status 1"):
            gateway.start()
    assert "all but completions can't be served" in gateway.output
    assert "the disk is gone" in gateway.output
