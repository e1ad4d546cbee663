"""Rounds of load, SIGKILL at a random moment, and restart: what was acknowledged must be there, once."""

import asyncio
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.ledger.audit import Audit, audit
from benchmarks.ledger.client import Client, Memory
from benchmarks.ledger.serving import ROUTER, Gateway, gateway
from storage.database.engine import open_database

CONNECTIONS = 16
LONGEST_SECONDS = 1.5


def kill_rounds(
    database_url: str, rounds: int, workers: int, seed: int, after_each: Callable[[int, Memory, Audit], None]
) -> tuple[Memory, Audit]:
    """Run the rounds on one ledger that grows; the audits add up."""
    chance, memory = random.Random(seed), Memory()
    lost = twice = 0
    equal = True
    with (
        tempfile.TemporaryDirectory(prefix="durability-") as folder,
        gateway(Path(folder), database_url, workers) as it,
    ):
        for number in range(1, rounds + 1):
            asyncio.run(_round(it, memory, chance))
            database = open_database(database_url)
            found = audit(database, ROUTER, memory)
            database.close()
            lost, twice = max(lost, found.lost), max(twice, found.counted_twice)
            equal = equal and found.rebuild_equal
            after_each(number, memory, found)
    return memory, Audit(lost, twice, equal)


async def _round(it: Gateway, memory: Memory, chance: random.Random) -> None:
    it.start()
    client = Client(it.url, it.key, memory, chance.randrange(2**32))
    load = asyncio.create_task(client.run(CONNECTIONS, LONGEST_SECONDS + 1.0))
    await asyncio.sleep(chance.uniform(0.2, LONGEST_SECONDS))
    await asyncio.to_thread(it.kill)
    client.stop()
    await load
