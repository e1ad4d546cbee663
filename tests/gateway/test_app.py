"""The gateway's start and stop, with a real database and the simulated models' real server."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from bandit.statistics import Signal, StatisticKey
from gateway import app
from gateway.app import Gateway
from gateway.asgi import ASGIApp
from gateway.providers.http.client import HttpClient
from gateway.serving.rereading import read, read_again
from gateway.settings import load
from storage.database.engine import open_database
from storage.replication.changes import Changed
from storage.writing.transaction import Transactions
from tests.support.instruments import instruments
from tests.support.records import RecordMaker, learn_scores, pace

STEPS = ["build_providers", "Registry", "Recorder", "Validator", "RetentionWorker", "Flow"]


class StepFailed(Exception):
    """What a test makes a step of the start fail with."""


@contextmanager
def gateway_in(directory: Path, give_up: Callable[[], None] | None = None) -> Iterator[Gateway]:
    """A gateway that is not started yet."""
    environ = {"BANDIT_GATEWAY_DATABASE_URL": f"sqlite:///{directory / 'ledger.db'}"}
    settings = load(None, environ)
    assert settings.simulated, "the simulated models' server is one of what a start opens"
    database = open_database(settings.database_url)
    reading = partial(load, None, environ)
    configured = read(reading)
    again = partial(read_again, reading, database=database)
    yield Gateway(configured, database, instruments(), again, give_up=give_up)
    database.close()


def what_is_open() -> set[object]:
    """The threads, except for those of an event loop's own pool, and the ports that are listened on."""
    threads = {each for each in threading.enumerate() if not each.name.startswith(("asyncio_", "uvloop_"))}
    sockets = psutil.Process().net_connections()
    return {*threads, *(each.laddr for each in sockets if each.status == psutil.CONN_LISTEN)}


@pytest.mark.parametrize("step", STEPS)
async def test_a_start_that_fails_half_way_closes_what_it_had_opened(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise StepFailed(step)

    closed: list[HttpClient] = []
    close = HttpClient.close

    async def count_and_close(client: HttpClient) -> None:
        closed.append(client)
        await close(client)

    monkeypatch.setattr(HttpClient, "close", count_and_close)
    monkeypatch.setattr(app, step, fail)
    with gateway_in(tmp_path) as gateway:
        before = what_is_open()
        with pytest.raises(StepFailed, match=step):
            await gateway.start()
        assert not what_is_open() - before
        assert len(closed) == 1


async def test_a_gateway_that_is_stopped_leaves_no_thread_and_no_socket(tmp_path: Path) -> None:
    with gateway_in(tmp_path) as gateway:
        before = what_is_open()
        await gateway.start()
        opened = what_is_open()
        await gateway.stop()
        assert len(opened - before) > 3, "the writer, the validator, retention and the simulated models' port"
        assert not what_is_open() - before


async def test_a_start_knows_what_a_process_that_was_killed_had_left_to_a_fold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[Changed] = []

    def note(everything: Changed, _: object) -> NoReturn:
        known.append(everything)
        raise StepFailed

    monkeypatch.setattr(app, "Registry", note)
    monkeypatch.setattr("storage.writing.deferring.DIRECT", 0)
    with gateway_in(tmp_path) as gateway:
        killed = Transactions(gateway.database, learn_scores, pace, deferring=True)
        killed.write([RecordMaker().completion()])
        killed.close()
        with pytest.raises(StepFailed):
            await gateway.start()
    assert known[0].sums[StatisticKey("rtr_a", "m/one", "", Signal.OUTCOMES)].weight == 1.0


async def test_all_is_loaded_before_a_process_listens_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[ASGIApp] = []
    load = app._load_api

    def load_and_note(*given: Any) -> ASGIApp:
        loaded.append(load(*given))
        return loaded[0]

    monkeypatch.setattr(app, "_load_api", load_and_note)
    with gateway_in(tmp_path) as gateway:
        await gateway.start()
        assert loaded
        await gateway.stop()


async def test_a_process_of_its_own_has_started_before_all_is_loaded_and_gives_up_if_it_can_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_fail, given_up = threading.Event(), asyncio.Event()

    def fail(*_: object) -> NoReturn:
        assert may_fail.wait(10)
        raise StepFailed("the API")

    monkeypatch.setattr(app, "_load_api", fail)
    with gateway_in(tmp_path, given_up.set) as gateway:
        await gateway.start()
        assert not given_up.is_set()
        may_fail.set()
        await asyncio.wait_for(given_up.wait(), 10)
        await gateway.stop()


def test_a_gateway_starts_without_the_libraries_that_serving_does_not_need() -> None:
    script = "import sys, gateway.cli.serve, gateway.app; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {".".join(name.split(".")[:2]) for name in ran.stdout.split()}
    unwanted = {"alembic", "httpx", "rich", "pygments", "scipy", "numpy.ma", "numpy.random", "numpy.f2py"}
    unwanted |= {"genai_prices", "jsonschema", "opentelemetry.sdk", "py3langid", "psycopg"}
    late = {"fastapi", "pydantic", "jinja2"}  # all but completions: imported when these are answered already
    assert loaded.isdisjoint(unwanted | late)
