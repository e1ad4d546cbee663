"""A gateway whose PostgreSQL is behind a real PgBouncer in transaction mode."""

import time
from pathlib import Path

import pytest
from openai import AuthenticationError

from gateway.api_keys import new_key
from gateway.maintenance.rebuild import rebuild_of
from storage.database.engine import open_database
from storage.stores.keys import Keys
from tests.support.gateway import Running, run_gateway
from tests.support.pgbouncer import NoPgbouncer, Pgbouncer
from tests.support.postgresql import PostgresqlServer
from tests.support.waiting import wait_until


def knows(running: Running, secret: str) -> bool:
    try:
        running.client("rtr_a", secret).models.list()
    except AuthenticationError:
        return False
    return True


def test_a_gateway_behind_a_pooler_serves_learns_follows_and_says_what_it_does_without(
    tmp_path: Path, postgresql: PostgresqlServer, empty_postgresql_url: str
) -> None:
    try:
        pooler = Pgbouncer(postgresql.url(), "transaction", connections=3)
    except NoPgbouncer as error:
        pytest.skip(str(error))
    name = empty_postgresql_url.partition("@/")[2].partition("?")[0]
    configuration = '[routers.rtr_a]\nmodels = ["simulated/swift", "simulated/sage"]\n'
    with pooler, run_gateway(f'database_url = "{pooler.url(name)}"\n{configuration}', tmp_path) as running:
        client = running.client("rtr_a")
        for _ in range(20):
            answer = client.chat.completions.create(
                model="dari/routing", messages=[{"role": "user", "content": "Hi"}], max_tokens=5
            )
            with running.http("feedback") as http:
                scored = http.post("/feedback", json={"completion_id": answer.id, "score": 0.5})
                assert scored.status_code == 200
        with running.http() as http:
            ready = http.get("/readyz").json()
        assert ready["status"] == "ready"
        assert "a connection pooler" in ready["remarks"][0]
        directly = open_database(empty_postgresql_url)
        secret, record = new_key("made beside the pooler", ("routing",), now=time.time())
        Keys(directly).add(record)
        wait_until(lambda: knows(running, secret), "the key of another process is polled for")
        assert rebuild_of(directly).check() == []
        directly.close()
