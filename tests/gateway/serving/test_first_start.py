"""Replicas that start for the first time on one empty ledger, all at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.api_keys import hash_key
from gateway.catalog.catalog import Catalog
from gateway.serving.bootstrap import Prepared, prepare
from gateway.settings import load
from storage.database.engine import Database, open_database
from storage.stores.keys import Keys
from storage.stores.routers import Routers

NOW = datetime(2026, 11, 1, tzinfo=UTC)
REPLICAS = 8

DECLARED = """
[routers.rtr_declared]
models = ["simulated/swift", "simulated/sage"]
"""


@pytest.mark.parametrize("text", ["", DECLARED], ids=["default", "declared"])
def test_replicas_that_start_at_once_agree_on_one_secret_and_one_first_key(
    text: str, ledger_url: str, database: Database, tmp_path: Path
) -> None:
    """Each replica must decide with the secret that is kept, and only the key that is kept may be shown."""
    configuration = tmp_path / "bandit-gateway.toml"
    configuration.write_text(text)
    settings = load(configuration, {})
    catalog = Catalog(settings, NOW)
    together = threading.Barrier(REPLICAS)

    def start(number: int) -> tuple[Prepared, list[bytes]]:
        mine = open_database(ledger_url)
        try:
            together.wait(60)
            prepared = prepare(settings, catalog, mine, float(number))
            return prepared, [record.secret for record in Routers(mine).all()]
        finally:
            mine.close()

    with ThreadPoolExecutor(REPLICAS) as pool:
        started = list(pool.map(start, range(REPLICAS)))
    (router,) = Routers(database).all()
    assert all(secrets == [router.secret] for _, secrets in started)
    (key,) = Keys(database).all()
    (shown,) = [prepared.new_key_secret for prepared, _ in started if prepared.new_key_secret is not None]
    assert hash_key(shown) == key.hash


def test_what_is_there_already_is_not_added_again(database: Database) -> None:
    settings = load(None, {})
    prepare(settings, Catalog(settings, NOW), database, 1.0)
    (router,) = Routers(database).all()
    (key,) = Keys(database).all()
    assert not Routers(database).add(router)
    assert not Keys(database).add_first(key)
    Keys(database).revoke(key.id, 2.0)
    assert not Keys(database).add_first(key)
    assert Routers(database).all() == [router]
