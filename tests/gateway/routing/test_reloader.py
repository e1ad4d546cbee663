"""Loads come in the order of the changes, one at a time, and are tried again until they succeed."""

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.api_keys import Keyring, hash_key
from gateway.catalog.catalog import Catalog
from gateway.errors import InvalidApiKey
from gateway.routing import reloader as reloading
from gateway.routing.loader import Loaded, Loader
from gateway.routing.registry import Registry
from gateway.routing.reloader import Reloader
from gateway.settings import load
from storage.database.engine import Database
from storage.database.revisions import Topic
from storage.errors import DatabaseUnavailable
from storage.records import KeyRecord
from storage.replication.changes import Changed, Subjects
from storage.stores.keys import Keys
from tests.support.records import NOW
from tests.support.waiting import wait_until

CATALOG = Catalog(load(None, {}), datetime.now(UTC))


class SlowLoader(Loader):
    """A loader that waits to be let on, and fails as often as it is told."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, CATALOG, lambda: NOW)
        self.asked: list[Mapping[Topic, Subjects]] = []
        self.let_on = threading.Semaphore(0)
        self.failures = 0

    def load(self, subjects: Mapping[Topic, Subjects]) -> Loaded:
        self.asked.append(subjects)
        assert self.let_on.acquire(timeout=60)
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailable("away")
        return super().load(subjects)


def keys(*names: str) -> dict[Topic, Subjects]:
    return {Topic.KEYS: frozenset(names)}


async def reached(loader: SlowLoader, count: int) -> None:
    await asyncio.to_thread(wait_until, lambda: len(loader.asked) == count, f"load {count} has begun")


async def test_what_changes_during_a_load_is_read_by_one_more(database: Database) -> None:
    loader = SlowLoader(database)
    reloader = Reloader(loader, Registry(Changed(), CATALOG), Keyring())
    reloader.request({})
    reloader.request(keys("key_1"))
    await reached(loader, 1)
    reloader.request(keys("key_2"))
    reloader.request({**keys("key_1"), Topic.ROUTERS: frozenset({"rtr_a"})})
    loader.let_on.release(2)
    await reached(loader, 2)
    assert loader.asked == [keys("key_1"), {**keys("key_1", "key_2"), Topic.ROUTERS: frozenset({"rtr_a"})}]
    await reloader.close()


async def test_a_load_that_fails_is_tried_again_with_what_changed_since(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloading, "RETRY_SECONDS", 0.01)
    secret, keyring, loader = "sk-bg-secret", Keyring(), SlowLoader(database)
    Keys(database).add(KeyRecord("key_1", hash_key(secret), "", ("routing",), None, NOW))
    loader.failures = 2
    reloader = Reloader(loader, Registry(Changed(), CATALOG), keyring)
    reloader.request(keys("key_1"))
    await reached(loader, 1)
    reloader.request({Topic.KEYS: None})
    loader.let_on.release(3)
    await reached(loader, 3)
    assert loader.asked == [keys("key_1"), {Topic.KEYS: None}, {Topic.KEYS: None}]

    def is_known() -> bool:
        with contextlib.suppress(InvalidApiKey):
            return keyring.authenticate(f"Bearer {secret}".encode(), NOW).id == "key_1"
        return False

    await asyncio.to_thread(wait_until, is_known, "the key is known")
    await reloader.close()


async def test_closing_does_not_wait_for_a_database_that_is_away(database: Database, tmp_path: Path) -> None:
    loader = SlowLoader(database)
    reloader = Reloader(loader, Registry(Changed(), CATALOG), Keyring())
    reloader.request(keys("key_1"))
    await reached(loader, 1)
    await asyncio.wait_for(reloader.close(), 30)
    loader.let_on.release()
