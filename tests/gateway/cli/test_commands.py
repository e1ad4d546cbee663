"""The commands as a user types them, without a server."""

import json
import os
import re
import socketserver
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gateway.api_keys import hash_key
from gateway.cli.commands import COMMANDS, app
from storage.database.engine import open_database
from storage.records import RouterModel, RouterRecord
from storage.stores.keys import Keys
from storage.stores.routers import Routers


class Ran:
    """What a command did."""

    def __init__(self, *arguments: str) -> None:
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.status = result.exit_code
        self.out = result.stdout
        self.err = result.stderr


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to run in, and no provider's key in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI", "ANTHROPIC", "OPENROUTER", "GEMINI", "GROQ", "MISTRAL", "DEEPSEEK", "TOGETHER", "XAI"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
    for name in ("CONFIG", "DATABASE_URL", "ADMIN_KEY"):
        monkeypatch.delenv(f"BANDIT_GATEWAY_{name}", raising=False)
    return tmp_path


def put_router() -> None:
    database = open_database("sqlite:///bandit-gateway.db")
    models = (RouterModel("simulated/swift"), RouterModel("simulated/sage", enabled=False))
    Routers(database).put(RouterRecord("rtr_a", "A router", b"s" * 32, {"max_attempts": 2}, models, 1.0, 2.0))
    database.close()


class TestMigrate:
    def test_the_ledger_is_copied_to_an_empty_database_and_compared(self, home: Path) -> None:
        put_router()
        ran = Ran("migrate", "--to", "sqlite:///other.db")
        assert ran.status == 0
        assert "0 requests among them, are in other.db" in ran.err
        assert "its statistics equal its ledger" in ran.err
        assert (
            json.loads(Ran("routers", "list", "--json", "--database-url", "sqlite:///other.db").out)[0]["id"] == "rtr_a"
        )
        again = Ran("migrate", "--to", "sqlite:///other.db")
        assert (again.status, "is not empty: its table routers has rows" in again.err) == (1, True)

    def test_a_url_of_another_kind_or_a_missing_source_makes_nothing(self, home: Path) -> None:
        assert "there is no database" in Ran("migrate", "--to", "sqlite:///other.db").err
        put_router()
        ran = Ran("migrate", "--to", "mysql://root@h/d")
        assert (ran.status, "not mysql" in ran.err) == (1, True)
        assert sorted(path.name for path in home.glob("*.db")) == ["bandit-gateway.db"]


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


class TestPurge:
    def test_it_asks_and_erases_nothing_without_a_yes(self) -> None:
        put_router()
        asked = CliRunner().invoke(app, ["routers", "purge", "rtr_a"], input="n\n")
        assert "Erase 0 requests of rtr_a for good?" in asked.output
        assert asked.exit_code == 130
        assert json.loads(Ran("routers", "purge", "rtr_a", "--yes", "--json").out) == {"id": "rtr_a", "erased": 0}

    def test_a_router_that_never_was_is_an_error(self) -> None:
        put_router()
        ran = Ran("routers", "purge", "rtr_x", "--yes")
        assert (ran.status, "there is no router rtr_x, nor a request of one" in ran.err) == (1, True)


class TestKeys:
    def test_a_new_keys_secret_is_alone_on_stdout_and_its_hash_is_kept(self) -> None:
        ran = Ran("keys", "create", "--label", "ci", "--scope", "routing", "--scope", "feedback", "--expires", "90d")
        assert ran.status == 0
        secret = ran.out.removesuffix("\n")
        assert re.fullmatch(r"sk-bg-[A-Za-z0-9_-]{43}", secret)
        assert "ci" in ran.err
        database = open_database("sqlite:///bandit-gateway.db")
        (key,) = Keys(database).all()
        database.close()
        assert key.hash == hash_key(secret)
        assert key.scopes == ("routing", "feedback")
        assert key.expires_at == pytest.approx(key.created_at + 90 * 86_400)

    def test_the_list_for_scripts_is_an_array_of_these_fields(self) -> None:
        put_router()
        Ran("keys", "create", "--label", "one", "--scope", "routing", "--router", "rtr_a")
        Ran("keys", "create", "--label", "two", "--scope", "admin")
        listed = json.loads(Ran("keys", "list", "--json").out)
        assert [key["label"] for key in listed] == ["one", "two"]
        assert listed[0]["routers"] == ["rtr_a"]
        assert set(listed[1]) >= {"id", "label", "scopes", "routers", "created_at", "expires_at", "revoked_at"}
        assert listed[1]["routers"] is None

    def test_a_revoked_key_is_listed_as_such(self) -> None:
        Ran("keys", "create", "--label", "old", "--scope", "routing")
        (key,) = json.loads(Ran("keys", "list", "--json").out)
        assert Ran("keys", "revoke", key["id"]).status == 0
        assert json.loads(Ran("keys", "list", "--json").out)[0]["revoked_at"] is not None
        assert "revoked" in Ran("keys", "list").out
        again = Ran("keys", "revoke", key["id"])
        assert (again.status, "revoked already" in again.err) == (0, True)

    @pytest.mark.parametrize(
        ("arguments", "status", "words"),
        [
            (("create", "--label", "x"), 2, "--scope routing"),
            (("create", "--scope", "routing"), 2, "--label"),
            (("create", "--label", " ", "--scope", "routing"), 2, "--label"),
            (("create", "--label", "x", "--scope", "root"), 2, "not 'root'"),
            (("create", "--label", "x", "--scope", "routing", "--expires", "soon"), 2, "such as 90d, not 'soon'"),
            (("create", "--label", "x", "--scope", "routing", "--router", "rtr_no"), 1, "there is no router rtr_no"),
            (("revoke", "key_no"), 1, "there is no key key_no"),
        ],
    )
    def test_a_mistake_is_one_line_on_stderr(self, arguments: tuple[str, ...], status: int, words: str) -> None:
        put_router()
        ran = Ran("keys", *arguments)
        assert (ran.status, ran.out) == (status, "")
        assert words in ran.err


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


class TestChanges:
    def test_a_change_is_listed_with_who_and_what_and_taken_back(self) -> None:
        put_router()
        assert Ran("routers", "set", "rtr_a", "--set", "max_attempts=5").status == 0
        (change,) = json.loads(Ran("changes", "list", "--json").out)["data"]
        assert (change["actor"]["via"], change["action"], change["target"]) == ("cli", "router.update", "rtr_a")
        assert (change["before"], change["after"]) == ({"max_attempts": 2}, {"max_attempts": 5})
        assert "max_attempts: 2 → 5" in Ran("changes", "list").out
        assert Ran("changes", "revert", change["id"], "--dry-run").status == 0
        assert json.loads(Ran("routers", "show", "rtr_a", "--json").out)["settings"]["max_attempts"] == 5
        assert Ran("changes", "revert", change["id"]).status == 0
        assert json.loads(Ran("routers", "show", "rtr_a", "--json").out)["settings"]["max_attempts"] == 2
        again = Ran("changes", "revert", change["id"])
        assert (again.status, "taken back already" in again.err) == (1, True)

    def test_what_show_prints_set_takes(self) -> None:
        put_router()
        shown = Ran("routers", "show", "rtr_a").out
        settings = re.findall(r"^(\w+) +(\S.*?)(?: {2,}.*)?$", shown[shown.index("setting ") :], re.MULTILINE)[1:]
        assert len(settings) > 15
        for name, value in settings:
            if name != "objective" or "dollars" not in value:
                ran = Ran("routers", "set", "rtr_a", "--set", f"{name}={value}")
                assert ran.status == 0, (name, value, ran.err)


class TestRouters:
    def test_the_list_names_each_router_and_its_models(self) -> None:
        put_router()
        out = Ran("routers", "list").out
        assert "rtr_a" in out
        assert "simulated/swift" in out
        (listed,) = json.loads(Ran("routers", "list", "--json").out)
        assert listed["id"] == "rtr_a"
        assert [model["enabled"] for model in listed["models"]] == [True, False]
        assert "secret" not in listed

    def test_one_router_is_shown_with_all_settings_and_without_its_secret(self) -> None:
        put_router()
        shown = json.loads(Ran("routers", "show", "rtr_a", "--json").out)
        assert shown["settings"]["max_attempts"] == 2
        assert shown["settings"]["policy"] == "thompson"
        text = Ran("routers", "show", "rtr_a").out
        assert "max_attempts" in text
        assert "sss" not in text

    def test_an_unknown_one_is_told_with_the_known_ones(self) -> None:
        put_router()
        ran = Ran("routers", "show", "rtr_b")
        assert (ran.status, ran.err) == (1, "bandit-gateway: there is no router rtr_b; there are rtr_a\n")

    def test_a_router_is_made_changed_and_deleted(self) -> None:
        two = ("--model", "simulated/swift", "--model", "simulated/sage")
        assert Ran("routers", "create", "rtr_b", *two, "--set", "policy=uniform", "--set", "max_attempts=2").status == 0
        settings = {"policy": "uniform", "max_attempts": 2}
        assert settings.items() <= self.stored("rtr_b").settings.items()
        options = (
            "--set",
            "policy=default",
            "--set",
            "objective={ quality_usd = 1.0, second_usd = 0.0, failure_usd = 0.0 }",
        )
        assert Ran("routers", "set", "rtr_b", "--model", "simulated/sage", *options).status == 0
        changed = self.stored("rtr_b")
        assert "policy" not in changed.settings
        assert changed.settings["max_attempts"] == 2
        assert changed.settings["objective"] == {"quality_usd": 1.0, "second_usd": 0.0, "failure_usd": 0.0}
        assert [(model.model_id, model.enabled) for model in changed.models] == [
            ("simulated/sage", True),
            ("simulated/swift", False),
        ]
        assert Ran("routers", "delete", "rtr_b").status == 0
        assert Ran("routers", "show", "rtr_b").status == 1

    @pytest.mark.parametrize(
        ("arguments", "status", "words"),
        [
            (("create", "b", "--model", "simulated/swift"), 2, "id must be rtr_"),
            (("create", "rtr_b", "--model", "openai/x"), 2, 'models[0] "openai/x": there is no provider'),
            (("create", "rtr_a", "--model", "simulated/swift"), 1, "there is a router rtr_a already"),
            (("create", "rtr_b", "--model", "simulated/swift", "--set", "polcy=1"), 2, 'did you mean "policy"?'),
            (("set", "rtr_a", "--set", "max_attempts"), 2, "KEY=VALUE"),
            (("set", "rtr_a", "--set", "max_attempts=many"), 2, "max_attempts must be a whole number"),
            (("set", "rtr_a", "--set", "policy=fixed:simulated/steady"), 2, "does not have"),
            (("set", "rtr_a"), 2, "nothing to change"),
            (("set", "rtr_x", "--name", "x"), 1, "there is no router rtr_x; there are rtr_a"),
            (("delete", "rtr_x"), 1, "there is no router rtr_x"),
        ],
    )
    def test_a_mistake_is_one_line_on_stderr(self, arguments: tuple[str, ...], status: int, words: str) -> None:
        put_router()
        ran = Ran("routers", *arguments)
        assert (ran.status, ran.out, ran.err.count("\n")) == (status, "", 1)
        assert words in ran.err

    def stored(self, router_id: str) -> RouterRecord:
        database = open_database("sqlite:///bandit-gateway.db")
        record = Routers(database).get(router_id)
        database.close()
        assert record is not None
        return record


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


class TestEvals:
    def run_import(self, text: str, *more: str) -> Ran:
        Path("card.csv").write_text(text)
        fixed = ("--name", "MMLU", "--metric", "accuracy", "--unit", "percent")
        return Ran("evals", "import", "card.csv", *fixed, *more)

    def test_a_scorecard_is_kept_and_the_same_name_replaces_it(self) -> None:
        assert self.run_import("model_id,score\nsimulated/swift,50\nsimulated/sage,90\n").status == 0
        again = self.run_import("model_id,score\nsimulated/swift,60\n")
        assert "in place of the former one" in again.err
        (listed,) = json.loads(Ran("evals", "list", "--json").out)
        (row,) = listed["rows"]
        assert (row["model_id"], row["score"], row["prompts"], row["task"]) == ("simulated/swift", 0.6, 20.0, None)
        assert "MMLU" in Ran("evals", "list").out
        assert Ran("rebuild", "--check").status == 0
        assert Ran("evals", "withdraw", listed["id"]).status == 0
        assert "withdrawn on" in Ran("evals", "show", listed["id"]).out

    def test_a_mistake_names_file_and_line_and_nothing_is_imported(self) -> None:
        ran = self.run_import("model_id,score\nsimulated/swift,50\nsimulated/sag,lots\n")
        assert ran.status == 1
        assert ran.err.splitlines() == [
            'bandit-gateway: card.csv: line 3: there is no model "simulated/sag"; did you mean "simulated/sage"?',
            'bandit-gateway: card.csv: line 3: the score must be a number, not "lots"',
        ]
        assert json.loads(Ran("evals", "list", "--json").out) == []

    def test_an_unknown_router_or_file_is_told(self) -> None:
        assert "there is no router rtr_x" in self.run_import("model_id,score\n", "--router", "rtr_x").err
        fixed = ("--name", "n", "--metric", "m", "--unit", "percent")
        assert "none.csv: can't be read" in Ran("evals", "import", "none.csv", *fixed).err


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


class TestDoctor:
    def test_a_healthy_place_has_nothing_wrong(self) -> None:
        put_router()
        Path("bandit-gateway.toml").write_text('listen = "127.0.0.1:0"')
        ran = Ran("doctor", "--json")
        found = {(each["check"], each["state"]) for each in json.loads(ran.out)}
        assert ran.status == 0
        assert {("configuration", "ok"), ("database", "ok"), ("routers", "ok"), ("address", "ok")} <= found

    def test_what_is_wrong_is_told_with_the_remedy_and_a_status(self) -> None:
        database = open_database("sqlite:///bandit-gateway.db")
        Routers(database).put(RouterRecord("rtr_a", "A", b"", {}, (RouterModel("gone/model"),), 1.0, 2.0))
        database.close()
        with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as taken:
            Path("bandit-gateway.toml").write_text(f'listen = "127.0.0.1:{taken.server_address[1]}"\n')
            serving = threading.Thread(target=taken.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            serving.start()
            ran = Ran("doctor", "--json")
            taken.shutdown()
            serving.join(60)
        wrong = {each["check"]: each["detail"] for each in json.loads(ran.out) if each["state"] == "wrong"}
        assert ran.status == 1
        assert "models that are not configured: gone/model" in wrong["routers"]
        assert "is in use" in wrong["address"]

    def test_a_broken_file_ends_the_examination(self) -> None:
        Path("bandit-gateway.toml").write_text("listen = 3")
        ran = Ran("doctor")
        assert ran.status == 1
        assert "line 1: listen must be" in ran.out


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
    assert Ran("version").out == Ran("--version").out == f"bandit-gateway {number}\n"


def test_migrate_makes_the_database(home: Path) -> None:
    assert Ran("migrate").status == 0
    assert (home / "bandit-gateway.db").exists()


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


def test_a_key_is_made_for_a_router_that_the_first_start_will_make() -> None:
    Path("bandit-gateway.toml").write_text('[routers.rtr_declared]\nmodels = ["simulated/swift"]\n')
    create = ("keys", "create", "--label", "a", "--scope", "routing", "--router")
    assert Ran(*create, "rtr_declared").status == 0
    assert "there is no router rtr_x; there are rtr_declared" in Ran(*create, "rtr_x").err


def test_what_show_prints_set_takes() -> None:
    put_router()
    changed = ("max_attempts=2", "exploration=0.1", 'objective={"quality_usd": 1, "second_usd": 0, "failure_usd": 2}')
    rules = ('rules=[{ when = \'code and key "a"\', use = "simulated/swift" }]', "default=simulated/swift")
    assert (
        Ran("routers", "set", "rtr_a", *(part for each in (*changed, *rules) for part in ("--set", each))).status == 0
    )
    before = json.loads(Ran("routers", "show", "rtr_a", "--json").out)["settings"]
    lines = [line.split("  ") for line in Ran("routers", "show", "rtr_a").out.splitlines()]
    printed = {parts[0]: next(filter(None, map(str.strip, parts[1:]))) for parts in lines if parts[0] in before}
    assert printed.keys() == before.keys()
    given = [part for name, value in printed.items() for part in ("--set", f"{name}={value}")]
    assert Ran("routers", "set", "rtr_a", *given).status == 0
    assert json.loads(Ran("routers", "show", "rtr_a", "--json").out)["settings"] == before


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


class TestLimits:
    def test_limits_are_set_shown_and_taken_away(self, home: Path) -> None:
        put_router()
        made = Ran("keys", "create", "--label", "bot", "--scope", "routing", "--usd-per-day", "5", "--task", "code")
        assert made.status == 0, made.err
        (key,) = json.loads(Ran("keys", "list", "--json").out)
        assert (key["limits"]["usd_per_day"], key["limits"]["tasks"]) == (5.0, ["code"])
        more = ("--requests-per-minute", "60", "--usd-per-day", "none", "--task", "all", "--model", "simulated/swift")
        assert Ran("keys", "set", key["id"], *more).status == 0
        (key,) = json.loads(Ran("keys", "list", "--json").out)
        assert {name: value for name, value in key["limits"].items() if value is not None} == {
            "requests_per_minute": 60,
            "models": ["simulated/swift"],
        }
        shown = Ran("keys", "show", key["id"]).out
        assert "requests_per_minute  60" in shown
        assert "used: today" in shown
        for wrong in ("0", "-1", "nan", "1e400", "many"):
            ran = Ran("keys", "set", key["id"], "--tokens-per-minute", wrong)
            assert ran.status != 0, wrong
            assert "limits.tokens_per_minute" in ran.err, wrong
