"""`bandit-gateway doctor`."""

import json
import socketserver
import threading
from pathlib import Path

import pytest

from storage.database.engine import open_database
from storage.records import RouterModel, RouterRecord
from storage.stores.routers import Routers
from tests.support.commands import Ran, put_router

pytestmark = pytest.mark.usefixtures("home")


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
