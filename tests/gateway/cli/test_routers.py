"""`bandit-gateway routers`."""

import json

import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app
from storage.database.engine import open_database
from storage.records import RouterRecord
from storage.stores.routers import Routers
from tests.support.commands import Ran, put_router

pytestmark = pytest.mark.usefixtures("home")


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
