"""`bandit-gateway changes`."""

import json
import re

import pytest

from tests.support.commands import Ran, put_router

pytestmark = pytest.mark.usefixtures("home")


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
