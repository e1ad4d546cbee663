"""A router whose stored settings this version can't read, as after a step back from a newer one."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from storage.database.engine import open_database
from storage.records import RouterModel, RouterRecord, Variant
from storage.stores.routers import Routers
from tests.support.gateway import run_gateway
from tests.support.waiting import wait_until

BODY: Any = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
LATER: Any = {
    "rules": [{"when": "grobulent frolics of a later grammar", "use": "simulated/swift"}],
    "temperature": "hot",
}
PAGES = (
    "/",
    "/changes",
    "/models",
    "/routers/rtr_later",
    "/routers/rtr_later/settings",
    "/routers/rtr_later/what-if",
    "/routers/rtr_later/decisions",
    "/health",
)


@pytest.fixture
def configuration(tmp_path: Path) -> str:
    """A database with a router of a newer version, and another one that the file declares."""
    url = f"sqlite:///{tmp_path}/gateway.db"
    with contextlib.closing(open_database(url)) as database:
        models = (RouterModel("simulated/swift"), RouterModel("simulated/sage"))
        Routers(database).add(RouterRecord("rtr_later", "Later", b"s" * 32, LATER, models, time.time(), time.time()))
    return f'database_url = "{url}"\n[routers.rtr_good]\nmodels = ["simulated/swift"]\n'


def test_it_alone_is_not_served_says_why_and_is_mended_through_the_api(configuration: str, tmp_path: Path) -> None:
    with run_gateway(configuration, tmp_path) as running, running.http() as app, running.http("admin") as admin:
        assert app.post("/rtr_good/chat/completions", json=BODY).status_code == 200
        refused = app.post("/rtr_later/chat/completions", json=BODY)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "router_unreadable")
        assert refused.headers["x-should-retry"] == "false"
        ready = app.get("/readyz")
        assert ready.status_code == 200
        assert "router rtr_later is not served" in ready.text
        assert "grobulent" in ready.text
        shown = {router["id"]: router["warnings"] for router in admin.get("/admin/routers").json()["data"]}
        assert [warning.split()[0] for warning in shown["rtr_later"]] == ["`temperature`", "`rules[0].when`"]
        assert shown["rtr_good"] == []
        for path in ("stats", "savings", "activity", ""):
            assert admin.get(f"/admin/routers/rtr_later/{path}".rstrip("/")).status_code in {200, 404}, path
        with httpx.Client(base_url=running.url, timeout=60, headers={"origin": running.url}) as browser:
            assert browser.post("/sign-in", data={"key": running.keys["admin"]}).status_code == 303
            for path in PAGES:
                page = browser.get(path, follow_redirects=True)
                assert page.status_code == 200, path
            assert "grobulent" in browser.get("/routers/rtr_later/settings").text
        one = admin.patch("/admin/routers/rtr_later", json={"rules": []})
        assert (one.status_code, "temperature" in one.text) == (400, True)
        mended = admin.patch("/admin/routers/rtr_later", json={"rules": [], "temperature": None})
        assert (mended.status_code, mended.json()["warnings"]) == (200, [])
        wait_until(lambda: app.post("/rtr_later/chat/completions", json=BODY).status_code == 200, "it is served")
        assert "rtr_later" not in app.get("/readyz").text


def test_a_variant_that_cant_be_read_is_left_out_and_kept_when_the_router_is_changed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/gateway.db"
    stored = json.dumps({"model_id": "simulated/swift", "variant": {"name": "later", "thinking": ["a", "b"]}})
    with contextlib.closing(open_database(url)) as database:
        models = (RouterModel("simulated/sage"), RouterModel("simulated/swift", variant=Variant("later")))
        Routers(database).add(RouterRecord("rtr_later", "Later", b"s" * 32, {}, models, time.time(), time.time()))
        with database.write() as connection:
            connection.execute(text("UPDATE router_models SET variant = :v WHERE variant IS NOT NULL"), {"v": stored})
    declared = f'database_url = "{url}"\n[routers.rtr_good]\nmodels = ["simulated/swift"]\n'
    with run_gateway(declared, tmp_path) as running, running.http() as app, running.http("admin") as admin:
        assert app.post("/rtr_good/chat/completions", json=BODY).status_code == 200
        assert app.post("/rtr_later/chat/completions", json=BODY).json()["model"] == "simulated/sage"
        assert "served without simulated/swift@later: its stored settings can't be read" in app.get("/readyz").text
        changed = admin.patch("/admin/routers/rtr_later", json={"exploration": 0.1})
        assert changed.status_code == 200, changed.text
        arms = [{"id": "simulated/swift@later", "enabled": False}, "simulated/sage"]
        named = admin.patch("/admin/routers/rtr_later", json={"models": arms})
        assert named.status_code == 200, named.text
    with contextlib.closing(open_database(url)) as database, database.read() as connection:
        kept = connection.execute(text("SELECT variant FROM router_models WHERE variant IS NOT NULL")).scalars().all()
    assert kept == [stored]
