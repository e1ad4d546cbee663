"""A backup is brought back under gateways that serve; they follow, lose nothing else, and go on."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from gateway.maintenance.rebuild import rebuild_of
from storage.database.engine import open_database
from storage.stores.identity import read_identity
from storage.stores.ledger import Ledger
from tests.support.gateway import COMMAND_LINE, GatewayProcess, clean_environ, run_command
from tests.support.postgresql import PostgresqlServer
from tests.support.processes import CHECKOUT
from tests.support.waiting import wait_until

CONFIGURATION = '[routers.rtr_a]\nmodels = ["simulated/swift", "simulated/steady"]\n'
REQUEST = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}


@dataclass(frozen=True)
class Place:
    """A database in use, and how it is backed up and brought back as docs/backup.md says."""

    url: str
    folder: Path
    server: PostgresqlServer | None = None

    def back_up(self) -> None:
        if self.server is None:
            run_command("backup", str(self.folder / "backup.db"), "--database-url", self.url)
        else:
            dump = ["--format=custom", "--schema=bandit_gateway", f"--file={self.folder}/backup.dump", self.url]
            subprocess.run([self.server.program("pg_dump"), *dump], check=True)

    def restore(self) -> None:
        if self.server is None:
            run_command("restore", str(self.folder / "backup.db"), "--yes", "--database-url", self.url)
            return
        script = self.folder / "backup.sql"
        read = [str(self.server.program("pg_restore")), f"--file={script}", str(self.folder / "backup.dump")]
        subprocess.run(read, check=True)
        drop = "DROP SCHEMA bandit_gateway CASCADE"
        once = ["--single-transaction", "--set=ON_ERROR_STOP=1", "--quiet", "-o", "/dev/null"]
        for _ in range(5):  # a deadlock with a gateway's transaction rolls it back, to be tried again
            ran = subprocess.run(
                [self.server.program("psql"), *once, "-c", drop, "-f", script, self.url],
                capture_output=True,
                text=True,
                check=False,
            )
            if ran.returncode == 0:
                break
        assert ran.returncode == 0, ran.stderr
        run_command("restore", "--database-url", self.url)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path)
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    if not server.program("psql").exists():
        pytest.skip(f"there is no psql beside {server.program('initdb')}")
    return Place(request.getfixturevalue("empty_postgresql_url"), tmp_path, server)


@pytest.fixture
def gateways(place: Place) -> Iterator[list[GatewayProcess]]:
    """Two replicas on one database."""
    with contextlib.ExitStack() as stack:
        started: list[GatewayProcess] = []
        for name in ("one", "two"):
            folder = place.folder / name
            folder.mkdir()
            gateway = GatewayProcess(folder, f'database_url = "{place.url}"\n{CONFIGURATION}')
            gateway.key = started[0].key if started else gateway.key
            gateway._environ["BANDIT_GATEWAY_ADMIN_KEY"] = gateway.key
            started.append(stack.enter_context(gateway))
        yield started


@dataclass
class Load:
    """Requests to a gateway, one after another on a thread, until the context ends."""

    gateway: GatewayProcess
    acknowledged: list[tuple[float, str]] = field(default_factory=list)
    other: list[int] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def has(self, count: int) -> bool:
        return len(self.acknowledged) >= count

    def _run(self) -> None:
        with self.gateway.client() as client:
            while not self._stopped.wait(0.01):
                answer = client.post("/rtr_a/chat/completions", json=REQUEST)
                if answer.status_code == 200:
                    self.acknowledged.append((time.monotonic(), answer.json()["id"].removeprefix("chatcmpl-")))
                else:
                    self.other.append(answer.status_code)


def ids_of(url: str) -> set[str]:
    database = open_database(url)
    with contextlib.closing(database):
        return {str(row["completion_id"]) for row in Ledger(database).export("rtr_a")}


def works(gateway: GatewayProcess, secret: str) -> bool:
    answer = httpx.get(f"{gateway.url}/rtr_a/v1/models", headers={"authorization": f"Bearer {secret}"}, trust_env=False)
    return answer.status_code == 200


def refuses(gateway: GatewayProcess, secret: str) -> bool:
    return not works(gateway, secret)


def is_ready(gateway: GatewayProcess) -> bool:
    return '"ready"' in gateway.readiness()[1]


def test_gateways_that_serve_follow_a_restore_and_go_on(place: Place, gateways: list[GatewayProcess]) -> None:
    loads = [Load(gateway) for gateway in gateways]
    with loads[0], loads[1]:
        for load in loads:
            wait_until(partial(load.has, 20), "20 requests are answered", 60)
        backed_up_at = time.monotonic()
        place.back_up()
        secret = run_command("keys", "create", "--label", "later", "--scope", "routing", "--database-url", place.url)
        for gateway in gateways:
            wait_until(partial(works, gateway, secret), "a key made after the backup works")
        place.restore()
        for gateway in gateways:
            wait_until(partial(refuses, gateway, secret), "a key made after the backup is gone", 60)
            wait_until(partial(is_ready, gateway), "the gateway is ready", 60)
        followed_at = time.monotonic()
        for load in loads:
            wait_until(partial(load.has, len(load.acknowledged) + 20), "20 more are answered", 60)
    kept = ids_of(place.url)
    for load in loads:
        assert set(load.other) <= {503}
        before = {id_ for at, id_ in load.acknowledged if at < backed_up_at}
        after = {id_ for at, id_ in load.acknowledged if at > followed_at}
        assert before <= kept, "what was acknowledged before the backup is there"
        assert after <= kept, "what was acknowledged after the restore is there"
    database = open_database(place.url)
    assert rebuild_of(database).check() == []
    assert read_identity(database).epoch == 2
    with gateways[0].client() as client:
        scored = client.post("/feedback", json={"completion_id": loads[1].acknowledged[0][1], "score": 1.0})
    assert scored.status_code == 200
    assert all(view.decision.choice for view in [Ledger(database).decision(id_) for id_ in kept] if view)
    database.close()


def test_the_drill_passes_beside_a_gateway_that_serves(place: Place, gateways: list[GatewayProcess]) -> None:
    command = place.folder / "bandit-gateway"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {" ".join(COMMAND_LINE)} "$@"\n')
    command.chmod(0o755)
    environ = {**clean_environ(), "BANDIT_GATEWAY": str(command), "PYTHONPATH": str(CHECKOUT)}
    if place.server is not None:
        environ["PATH"] = f"{place.server.program('psql').parent}:{environ['PATH']}"
    with Load(gateways[0]) as load:
        wait_until(lambda: len(load.acknowledged) >= 20, "20 requests are answered", 60)
        drill = [str(CHECKOUT / "deploy" / "restore-drill.sh"), place.url]
        ran = subprocess.run(drill, env=environ, capture_output=True, text=True, check=False, cwd=place.folder)
    assert ran.returncode == 0, ran.stderr
    assert "the backup is whole, and its statistics equal its ledger" in ran.stderr
    assert "rtr_a" in ran.stdout
