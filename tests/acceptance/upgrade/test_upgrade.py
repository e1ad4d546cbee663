"""A ledger that version 0.1.0 wrote goes on under this one.

`ledger-0.1.0.db.gz` was written by the sources of 0.1.0: two routers of simulated models, 24 requests of two tasks, 12
scores, and prompts and answers of one router.
"""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storage.database.engine import open_database
from storage.stores.ledger import Ledger
from tests.support.gateway import GatewayProcess, run_command

LEDGER = Path(__file__).parent / "ledger-0.1.0.db.gz"
SUMS = "select router_id, model_id, task, signal, weight, total from arms order by router_id, model_id, task, signal"
CONFIGURATION = """
[routers.rtr_old]
models = ["simulated/swift", "simulated/steady", "simulated/sage"]
[routers.rtr_cheap]
models = ["simulated/swift", "simulated/sage"]
"""


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    (tmp_path / "ledger.db").write_bytes(gzip.decompress(LEDGER.read_bytes()))
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def test_requests_scores_and_statistics_of_0_1_0_are_there_and_go_on(sqlite_url: str, tmp_path: Path) -> None:
    text = f'database_url = "{sqlite_url}"\n{CONFIGURATION}'
    with GatewayProcess(tmp_path, text) as gateway:
        with gateway.client() as http:
            for router_id, requests in (("rtr_old", 16), ("rtr_cheap", 8)):
                page = http.get("/admin/decisions", params={"router_id": router_id, "limit": 100}).json()
                assert len(page["data"]) == requests
                shown = http.get(f"/admin/decisions/{page['data'][0]['id']}").json()
                assert shown["status"] == "answered"
                scored = http.post("/feedback", json={"completion_id": page["data"][0]["id"], "score": 0.5})
                assert scored.status_code == 200
                body = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}
                assert http.post(f"/{router_id}/chat/completions", json=body).status_code == 200
        assert gateway.stop() == 0
    assert run_command("rebuild", "--check", "--database-url", sqlite_url).startswith("equal:")
    with closing(open_database(sqlite_url)) as database:
        views = Ledger(database).decisions("rtr_old", None, 100).views
        assert sum(len(view.feedback) for view in views) >= 8
        assert all(view.outcome.cost_usd > 0.0 for view in views)


def test_a_team_that_moves_to_this_version_has_the_same_beliefs(sqlite_url: str) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as old:
        before = old.execute(SUMS).fetchall()
    open_database(sqlite_url).close()
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as new:
        assert new.execute(SUMS).fetchall() == before
