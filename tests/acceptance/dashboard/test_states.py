"""What pages say while the database is away, and what one that is open keeps."""

import httpx
import pytest

from storage.database.engine import Database
from storage.errors import DatabaseUnavailable
from tests.support.gateway import Running


def test_without_the_database_pages_say_so_and_health_what_to_do(
    running: Running, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Database) -> None:
        raise DatabaseUnavailable("it is away")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "read", away)
        for path in ("/", "/routers/rtr_support", "/routers/rtr_support/decisions", "/keys", "/changes"):
            answer = admin.get(path)
            assert answer.status_code == 503, path
            assert "The database does not answer" in answer.text
            assert "Completions go on" in answer.text
            assert 'href="/models"' in answer.text  # the navigation stays
            assert answer.headers["retry-after"] == "2"
        health = admin.get("/health")
        assert health.status_code == 200
        assert "The database does not answer" in health.text
        assert "The ledger answers" not in health.text
        assert 'href="/routers/rtr_support"' in health.text  # of the router that was asked for last
        refused = admin.post("/keys", data={"label": "in vain", "scopes": "routing"})
        assert refused.status_code == 503
    assert admin.get("/routers/rtr_support").status_code == 200
    assert "in vain" not in admin.get("/keys").text
