"""`bandit-gateway keys`."""

import json
import re
from pathlib import Path

import pytest

from gateway.api_keys import hash_key
from storage.database.engine import open_database
from storage.stores.keys import Keys
from tests.support.commands import Ran, put_router

pytestmark = pytest.mark.usefixtures("home")


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


def test_a_key_is_made_for_a_router_that_the_first_start_will_make() -> None:
    Path("bandit-gateway.toml").write_text('[routers.rtr_declared]\nmodels = ["simulated/swift"]\n')
    create = ("keys", "create", "--label", "a", "--scope", "routing", "--router")
    assert Ran(*create, "rtr_declared").status == 0
    assert "there is no router rtr_x; there are rtr_declared" in Ran(*create, "rtr_x").err
