"""Many routers and keys: how long they take to load, and one change of one of them, and in which thread."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, text

from bandit.posteriors.quality import WINDOWS
from bandit.posteriors.statistics import SIGNALS
from bandit.statistics import Signal
from bandit.types import Epoch
from gateway.api_keys import hash_key, new_key
from gateway.catalog.catalog import Catalog
from gateway.routing.loader import EVERYTHING, Loader
from gateway.routing.registry import Registry
from gateway.settings import load
from storage.activity import COUNTS
from storage.calendar import DAY
from storage.database.connection import WriteConnection
from storage.database.engine import Database, open_database
from storage.records import RouterModel, RouterRecord
from storage.replication.changes import Changes, read_everything
from storage.stores.keys import Keys
from storage.stores.routers import Routers
from storage.tables import activity, api_keys, arms, router_models, routers

MODELS = tuple(f"p/model-{number}" for number in range(5))
TASKS = ("code", "chat", "analysis")
BY_TASK = (Signal.QUALITY, *WINDOWS, Signal.COMPLETION_TOKENS)
LOADS = 3
CHANGES = 20
CONFIGURATION = '[providers.p]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n' + "".join(
    f'[models."{model}"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 4.0\n' for model in (*MODELS, "p/new")
)


def fill_with_routers(database: Database, router_count: int, key_count: int, now: float) -> None:
    """Routers of five models with the statistics of three tasks each, and keys."""
    router_ids = [f"rtr_{number:06d}" for number in range(router_count)]
    settings = json.dumps({"max_usd_per_day": 100.0, "sticky_seconds": 300.0})
    common = {"settings": settings, "secret": b"s" * 32, "created_at": now, "updated_at": now}
    shares: dict[str, object] = {"enabled": True, "min_share": 0.0, "max_share": 1.0}
    signals = [("", signal) for signal in SIGNALS if signal not in BY_TASK]
    signals += [(task, signal) for task in TASKS for signal in BY_TASK]
    sums = {"at": now, "half_life": 3_600.0, "weight": 9.0, "total": 5.0, "squares": 4.0, "revision": 0}
    counts: dict[str, object] = {**dict.fromkeys(COUNTS, 1), "cost_usd": 0.01}
    day: dict[str, object] = {"width": DAY, "start": int(now // DAY) * DAY, "task": "", "revision": 0}
    with database.write() as connection:
        connection.execute(insert(routers), [{"id": id_, "name": id_, **common} for id_ in router_ids])
        for table, rows in (
            (router_models, [{"position": place, **shares} for place in range(len(MODELS))]),
            (activity, [{**day, **counts} for _ in MODELS]),
        ):
            of_models = [
                {"router_id": id_, "model_id": model_id, **row}
                for id_ in router_ids
                for model_id, row in zip(MODELS, rows, strict=True)
            ]
            connection.execute(insert(table), of_models)
        for router_id in router_ids:
            place = [{"router_id": router_id, "model_id": model_id} for model_id in MODELS]
            kept = [{**own, "task": task, "signal": signal.value, **sums} for own in place for task, signal in signals]
            connection.execute(insert(arms), kept)
        keys = [
            {"id": f"key_{number:06d}", "hash": hash_key(str(number)), "label": "", "scopes": '["routing"]'}
            for number in range(key_count)
        ]
        connection.execute(insert(api_keys), [{**key, "created_at": now} for key in keys])


@dataclass(slots=True)
class Times:
    """Milliseconds of one kind of change: for whoever makes it, and in the threads that follow it."""

    made: list[float] = field(default_factory=list)
    writer: list[float] = field(default_factory=list)
    loader: list[float] = field(default_factory=list)
    loop: list[float] = field(default_factory=list)

    def report(self) -> dict[str, dict[str, float]]:
        """Median and largest of each."""
        return {
            f"{name}_ms": {"median": round(statistics.median(values), 2), "largest": round(max(values), 2)}
            for name, values in (
                ("made", self.made),
                ("writer", self.writer),
                ("loader", self.loader),
                ("loop", self.loop),
            )
        }


class Follower:
    """Does what the threads of a running gateway do with a change, one after the other, and times each."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        everything, position = read_everything(database)
        self.loader = Loader(database, catalog, lambda: Epoch(time.time()))
        self.registry = Registry(everything, catalog)
        loaded = self.loader.load(EVERYTHING)
        self.registry.replace(loaded)
        self.keyring = loaded.keys
        self._connection = WriteConnection(database)
        self._changes = Changes(database, position=position)

    def follow(self, make: Callable[[], object], times: Times) -> None:
        """Make a change and follow it."""
        began = time.perf_counter()
        make()
        made = time.perf_counter()
        changed = self._changes.poll(self._connection.version())
        assert changed is not None
        looked = time.perf_counter()
        loaded = self.loader.load(changed.subjects)
        read = time.perf_counter()
        self.registry.follow(changed)
        self.registry.replace(loaded)
        self.keyring.replace(loaded.key_ids, loaded.keys)
        placed = time.perf_counter()
        for values, seconds in (
            (times.made, made - began),
            (times.writer, looked - made),
            (times.loader, read - looked),
            (times.loop, placed - read),
        ):
            values.append(seconds * 1e3)

    def close(self) -> None:
        """Give the connections up."""
        self._changes.close()
        self._connection.close()


def measure_changes(
    url: str, router_count: int, key_count: int, folder: Path, tell: Callable[[str], None]
) -> dict[str, object]:
    """Seconds of loading, and milliseconds of each kind of change."""
    config = folder / "bandit-gateway.toml"
    config.write_text(CONFIGURATION)
    catalog = Catalog(load(config, {}), datetime.now(UTC))
    database = open_database(url)
    tell("filling")
    now = time.time()
    fill_with_routers(database, router_count, key_count, now)
    if not database.sqlite:
        with database.write() as connection:
            connection.execute(text("ANALYZE"))  # as autovacuum does
    tell("loading")
    seconds, cpu_seconds = [], []
    for _ in range(LOADS):
        began, cpu_began = time.monotonic(), time.process_time()
        Follower(database, catalog).close()
        seconds.append(round(time.monotonic() - began, 2))
        cpu_seconds.append(round(time.process_time() - cpu_began, 2))
    tell("changing")
    following, changed = Follower(database, catalog), {}
    for name, make in _changes_of(database, router_count, key_count, now).items():
        times = Times()
        for number in range(CHANGES):
            following.follow(lambda number=number, make=make: make(number), times)  # type: ignore[misc]
        changed[name] = times.report()
    following.close()
    database.close()
    return {
        "routers": router_count,
        "keys": key_count,
        "first_load_seconds": seconds[0],  # which makes the priors
        "load_seconds": min(seconds),
        "load_cpu_seconds": min(cpu_seconds),
        "changes": changed,
    }


def _changes_of(
    database: Database, router_count: int, key_count: int, now: float
) -> dict[str, Callable[[int], object]]:
    """Each kind of change, by the number of the router or key that it is about."""
    store, keys = Routers(database), Keys(database)

    def record(number: int) -> RouterRecord:
        found = store.get(f"rtr_{number % router_count:06d}")
        assert found is not None
        return found

    def new(number: int) -> RouterRecord:
        return replace(record(number), id=f"rtr_new_{number}")

    known = {number: record(number) for number in range(min(CHANGES, router_count))}
    return {
        "a router is saved unchanged": lambda number: store.put(known[number % router_count]),
        "a router is renamed": lambda number: store.put(replace(known[number % router_count], name="another")),
        "an option of a router": lambda number: store.put(
            replace(known[number % router_count], settings={"max_attempts": 1 + number % 2})
        ),
        "a model joins a router": lambda number: store.put(
            replace(known[number % router_count], models=(*known[number % router_count].models, RouterModel("p/new")))
        ),
        "a router is made": lambda number: store.put(new(number)),
        "a router is deleted": lambda number: store.delete(f"rtr_new_{number}", now),
        "a key is made": lambda number: keys.add(new_key(f"{number}", ("routing",), now=now)[1]),
        "a key is revoked": lambda number: keys.revoke(f"key_{number % key_count:06d}", now),
    }
