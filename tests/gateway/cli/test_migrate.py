"""`bandit-gateway migrate`."""

import json
from pathlib import Path

import pytest

from tests.support.commands import Ran, put_router

pytestmark = pytest.mark.usefixtures("home")


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


def test_migrate_makes_the_database(home: Path) -> None:
    assert Ran("migrate").status == 0
    assert (home / "bandit-gateway.db").exists()
