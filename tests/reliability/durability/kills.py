"""Rounds of load, SIGKILL at a random moment and restart: what was acknowledged must be in the ledger, once."""

import asyncio
import random
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from storage.database.engine import open_database
from tests.reliability.durability.audit import Audit, audit
from tests.reliability.durability.client import Client, Memory
from tests.reliability.durability.gateway import ROUTER, run_gateway
from tests.support.gateway import GatewayProcess

CONNECTIONS = 16
LONGEST_SECONDS = 1.5


def kill_rounds(
    database_url: str, rounds: int, workers: int, seed: int, after_each: Callable[[int, Memory, Audit], None]
) -> tuple[Memory, Audit]:
    """Run the rounds on one growing ledger; the audit is the worst of all rounds."""
    chance, memory = random.Random(seed), Memory()
    lost = twice = 0
    equal = True
    with (
        tempfile.TemporaryDirectory(prefix="durability-") as folder,
        run_gateway(Path(folder), database_url, workers) as gateway,
    ):
        for number in range(1, rounds + 1):
            if number > 1:
                gateway.start()
            asyncio.run(_load_and_kill(gateway, memory, chance))
            with closing(open_database(database_url)) as database:
                found = audit(database, ROUTER, memory)
            lost, twice = max(lost, found.lost), max(twice, found.counted_twice)
            equal = equal and found.rebuild_equal
            after_each(number, memory, found)
    return memory, Audit(lost, twice, equal)


async def _load_and_kill(gateway: GatewayProcess, memory: Memory, chance: random.Random) -> None:
    client = Client(gateway.url, gateway.key, memory, chance.randrange(2**32))
    load = asyncio.create_task(client.run(CONNECTIONS, LONGEST_SECONDS + 1.0))
    await asyncio.sleep(chance.uniform(0.2, LONGEST_SECONDS))
    await asyncio.to_thread(gateway.kill)
    client.stop()
    await load
