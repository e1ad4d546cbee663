"""The commands as a user types them, without a server."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gateway.cli.commands import COMMANDS, app
from tests.support.commands import Ran, put_router

pytestmark = pytest.mark.usefixtures("home")


class TestBackup:
    def test_a_backup_is_made_and_brought_back(self, home: Path) -> None:
        put_router()
        assert Ran("backup", "kept.db").status == 0
        assert "is there already" in Ran("backup", "kept.db").err
        Ran("routers", "delete", "rtr_a")
        assert json.loads(Ran("routers", "list", "--json").out) == []
        assert CliRunner().invoke(app, ["restore", "kept.db"], input="n\n").exit_code == 130
        assert "in epoch 2" in Ran("restore", "kept.db", "--yes").err
        assert [router["id"] for router in json.loads(Ran("routers", "list", "--json").out)] == ["rtr_a"]
        assert "in epoch 3" in Ran("restore").err
        assert sorted(path.name for path in home.glob("*.db")) == ["bandit-gateway.db", "kept.db"]


class TestSecrets:
    @pytest.fixture(autouse=True)
    def configured(self, home: Path) -> None:
        """A configuration whose keys only the gateway's own environment has."""
        Path("bandit-gateway.toml").write_text(
            'tls_certificate = "none.pem"\ntls_key = "none.pem"\n'
            '[providers.mine]\nbase_url = "https://llm.example/v1"\napi_key = "env:NOBODY_HAS_IT"\n'
            '[models."mine/m"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n'
            '[routers.rtr_a]\nmodels = ["mine/m", "openai/gpt-5.5"]\n'
        )
        put_router()

    @pytest.mark.parametrize(
        "arguments",
        [
            ("keys", "create", "--label", "x", "--scope", "read"),
            ("keys", "list"),
            ("routers", "list"),
            ("routers", "set", "rtr_a", "--model", "mine/m", "--model", "openai/gpt-5.5"),
            ("models", "list"),
            ("changes", "list"),
            ("evals", "list"),
            ("rebuild", "--check"),
        ],
    )
    def test_commands_that_call_no_provider_need_no_keys(self, arguments: tuple[str, ...]) -> None:
        ran = Ran(*arguments)
        assert (ran.status, "NOBODY_HAS_IT" in ran.err) == (0, False), ran.err

    def test_a_key_may_be_for_a_router_that_the_first_start_will_make(self) -> None:
        Path("bandit-gateway.toml").write_text('[routers.rtr_later]\nmodels = ["simulated/swift"]\n')
        assert Ran("keys", "create", "--label", "x", "--scope", "routing", "--router", "rtr_later").status == 0


class TestModels:
    def test_the_list_has_prices_per_million_tokens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        listed = json.loads(Ran("models", "list", "--json").out)
        assert {model["provider"] for model in listed} == {"anthropic"}
        assert all(model["price"]["output_usd_per_million"] > 0 for model in listed)
        assert "anthropic/" in Ran("models", "list").out

    def test_a_model_of_a_router_is_resumed_and_no_other(self) -> None:
        put_router()
        refused = Ran("models", "resume", "simulated/none")
        assert refused.status == 1
        assert "no router has an enabled model 'simulated/none'" in refused.err
        assert Ran("models", "resume", "simulated/swift").err == "simulated/swift is tried again from now on\n"


class TestExplain:
    @pytest.mark.parametrize(
        ("id_", "status", "words"),
        [("hello", 2, "looks like chatcmpl-req_"), ("req_" + "0" * 32, 1, "there is no completion 'req_0000")],
    )
    def test_an_id_that_is_none_or_unknown_is_told(self, id_: str, status: int, words: str) -> None:
        put_router()
        ran = Ran("explain", id_)
        assert (ran.status, ran.err.count("\n")) == (status, 1)
        assert words in ran.err


class TestAnalysis:
    @pytest.mark.parametrize(
        ("arguments", "status", "words"),
        [
            (("evaluate", "--router", "rtr_x"), 1, "there is no router rtr_x; there are rtr_a"),
            (("evaluate", "--router", "rtr_a", "--since", "soon"), 2, "such as 90d"),
            (("evaluate", "--router", "rtr_a", "--models", "a/b"), 2, "rtr_a has no model a/b"),
            (("evaluate", "--router", "rtr_a", "--policy", "astrology"), 2, "choose one of thompson"),
            (("evaluate", "--router", "rtr_a", "--policy", "fixed:TYPO"), 2, "rtr_a has no model TYPO; it has sim"),
            (("evaluate", "--router", "rtr_a", "--policy", "fixed:"), 2, "choose one of thompson"),
            (("evaluate", "--router", "rtr_a", "--models", ","), 2, "names none"),
            (("evaluate", "--router", "rtr_a", "--objective", "chepest"), 2, 'did you mean "cheapest"?'),
            (("export", "--router", "rtr_x"), 1, "there is no router rtr_x"),
            (("export", "--router", "rtr_a", "--format", "xls"), 2, "not 'xls'"),
            (("export", "--router", "rtr_a", "--format", "parquet"), 2, "--output"),
            (("export", "--router", "rtr_a"), 1, "nothing to export"),
        ],
    )
    def test_a_mistake_is_one_line_on_stderr(self, arguments: tuple[str, ...], status: int, words: str) -> None:
        put_router()
        ran = Ran(*arguments)
        assert (ran.status, ran.out, ran.err.count("\n")) == (status, "", 1)
        assert words in ran.err

    def test_a_preset_is_multiplied_out_with_the_routers_prices(self) -> None:
        put_router()
        ran = Ran("evaluate", "--router", "rtr_a", "--objective", "best", "--json")
        assert ran.status == 0
        assert json.loads(ran.out)["target"]["decisions"] == 0


class TestFailures:
    def write(self, text: str) -> None:
        Path("bandit-gateway.toml").write_text(text)

    def test_a_broken_file_is_one_line_that_names_the_line(self) -> None:
        self.write('listen = "127.0.0.1:1"\nfoo = = 1\n')
        ran = Ran("serve")
        assert ran.status == 2
        assert ran.err.startswith("bandit-gateway: bandit-gateway.toml, line 2, column 7: is not valid TOML")
        assert ran.err.count("\n") == 1

    def test_every_mistake_in_a_file_has_its_line(self) -> None:
        self.write('listn = "127.0.0.1:1"\ndurability = "no"\n')
        ran = Ran("keys", "list")
        assert ran.status == 2
        assert [line.split(":")[1] for line in ran.err.splitlines()] == [
            " bandit-gateway.toml, line 1",
            " bandit-gateway.toml, line 2",
        ]

    @pytest.mark.parametrize("command", [("keys", "list"), ("routers", "list"), ("migrate",)])
    def test_a_database_that_cannot_be_opened_is_one_line(self, command: tuple[str, ...]) -> None:
        ran = Ran(*command, "--database-url", "sqlite:////nowhere/a.db")
        assert (ran.status, ran.err.count("\n")) == (1, 1)
        assert "database /nowhere/a.db" in ran.err

    @pytest.mark.parametrize("command", [("keys", "list"), ("routers", "list"), ("evals", "list"), ("doctor",)])
    def test_looking_makes_no_database(self, command: tuple[str, ...], home: Path) -> None:
        ran = Ran(*command)
        assert "`bandit-gateway serve` makes it" in ran.err + ran.out
        assert list(home.iterdir()) == []

    def test_a_file_that_is_no_database_is_one_line(self) -> None:
        Path("bandit-gateway.db").write_text("hello " * 1_000)
        ran = Ran("keys", "list")
        assert (ran.status, ran.err.count("\n")) == (1, 1)
        assert "bandit-gateway.db can't be opened" in ran.err

    def test_a_url_with_a_password_is_never_repeated(self) -> None:
        ran = Ran("keys", "list", "--database-url", "mysql://root:hunter2@h/d")
        assert ran.status == 2
        assert "hunter2" not in ran.err


def test_the_version_is_printed_for_people_and_for_scripts() -> None:
    number = json.loads(Ran("version", "--json").out)["version"]
    for arguments in (
        ("version",),
        ("--version",),
        ("keys", "--version"),
        ("keys", "list", "--version"),
        ("serve", "--version"),
    ):
        assert Ran(*arguments).out == f"bandit-gateway {number}\n"


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = get_command(import_module(f"gateway.cli.{name}").app)
        inner = getattr(command, "commands", None)
        found += [(name,)] if inner is None else [(name, each) for each in inner]
    return found


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    ran = Ran(*command, "-h")
    assert ran.status == 0
    assert f"Usage: bandit-gateway {' '.join(command)}" in ran.out
    assert ("--json" in ran.out) == (command not in {("serve",), ("demo",), ("export",)})


@pytest.mark.parametrize("command", [("keys", "show"), ("explain",), ("routers", "delete"), ("records", "retry")])
def test_an_argument_that_is_not_utf8_is_one_line_on_stderr(command: tuple[str, ...]) -> None:
    ran = Ran(*command, os.fsdecode(b"a\xff"))
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "bandit-gateway: the argument 'a\\udcff' is not valid UTF-8\n"


def test_commands_need_no_providers_key() -> None:
    Path("bandit-gateway.toml").write_text(
        '[providers.p]\nbase_url = "http://127.0.0.1:1/v1"\napi_key = "env:NO_SUCH_VARIABLE"\n'
        '[routers.rtr_declared]\nmodels = ["p/m"]\n'
    )
    put_router()
    made = json.loads(Ran("keys", "create", "--label", "a", "--scope", "read", "--json").out)
    for command in (
        ("keys", "revoke", made["id"]),
        ("keys", "list"),
        ("routers", "show", "rtr_a"),
        ("changes", "list"),
        ("models", "list"),
        ("evaluate", "--router", "rtr_a"),
        ("evals", "list"),
        ("records", "list"),
    ):
        assert Ran(*command, "--json").status == 0
    assert "there is no completion" in Ran("explain", "req_" + "0" * 32).err


def test_help_is_printed_without_the_libraries_that_commands_need() -> None:
    script = (
        "import sys; from gateway.cli.commands import app; app(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in ran.stdout for name in COMMANDS)
    loaded = {name.partition(".")[0] for name in ran.stdout.splitlines()[-1].split()}
    assert loaded.isdisjoint({"sqlalchemy", "numpy", "scipy", "uvicorn", "fastapi", "httpx", "genai_prices", "rich"})


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant() -> None:
    ran = Ran("rooters", "list")
    assert ran.status == 2
    assert "'routers'" in ran.err


def test_sighup_does_not_end_a_gateway_that_is_still_starting() -> None:
    code = (
        "import signal, sys; sys.argv = ['bandit-gateway', 'serve', '--help']; from gateway.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "True"
