"""The database goes away under load: PostgreSQL is stopped for a while, or the disk of a SQLite file is full."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from storage.database.engine import open_database
from tests.reliability.durability.audit import audit
from tests.reliability.durability.client import Client, Memory
from tests.reliability.durability.gateway import ROUTER, run_gateway
from tests.support.gateway import GatewayProcess
from tests.support.postgresql import PostgresqlServer
from tests.support.processes import RunFailed

CONNECTIONS = 8
BEFORE_SECONDS, AFTER_SECONDS = 3.0, 3.0
RECOVERY_SECONDS = 60.0
SMALL_DISK, LARGE_DISK = "6m", "256m"


def stop_postgresql(away_seconds: float, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Stop PostgreSQL under load and start it again: what failed, what was lost, how long recovery took."""
    with (
        tempfile.TemporaryDirectory(prefix="durability-") as folder,
        PostgresqlServer() as server,
        run_gateway(Path(folder), server.url()) as gateway,
    ):
        memory = Memory()
        states, recovery_seconds = asyncio.run(
            _load_through(gateway, memory, seed, away_seconds, lambda: server.stop("immediate"), server.start, tell)
        )
        gateway.stop()
        return _report("postgresql", server.url(), memory, states, recovery_seconds, away_seconds)


def fill_disk(away_seconds: float, seed: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Fill the disk of a SQLite ledger and its spool for a while. Needs root, to mount a tmpfs."""
    with tempfile.TemporaryDirectory(prefix="durability-") as folder, _small_disk(Path(folder) / "disk") as disk:
        url = f"sqlite:///{disk}/ledger.db"
        with run_gateway(Path(folder), url) as gateway:
            memory = Memory()
            states, recovery_seconds = asyncio.run(
                _load_through(gateway, memory, seed, away_seconds, lambda: _until_full(disk), lambda: _grow(disk), tell)
            )
            gateway.stop()
            report = _report("sqlite", url, memory, states, recovery_seconds, away_seconds)
        with closing(open_database(url)) as database, database.read() as connection:
            report["integrity_check"] = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
        return report


async def _load_through(
    gateway: GatewayProcess,
    memory: Memory,
    seed: int,
    away_seconds: float,
    leave: Callable[[], None],
    come_back: Callable[[], None],
    tell: Callable[[str], None],
) -> tuple[list[str], float]:
    """Load before, during and after the outage: what `/readyz` said, and seconds until it was ready again."""
    client = Client(gateway.url, gateway.key, memory, seed)
    load = asyncio.create_task(client.run(CONNECTIONS, 10 * RECOVERY_SECONDS))
    tell("load")
    await asyncio.sleep(BEFORE_SECONDS)
    tell(f"load without the database, {away_seconds:g} s")
    await asyncio.to_thread(leave)
    await asyncio.sleep(away_seconds / 2)
    states = [(await asyncio.to_thread(gateway.readiness))[1]]
    await asyncio.sleep(away_seconds / 2)
    tell("recovery")
    await asyncio.to_thread(come_back)
    back = time.monotonic()
    while '"ready"' not in (await asyncio.to_thread(gateway.readiness))[1]:
        if time.monotonic() - back > RECOVERY_SECONDS:
            raise RunFailed(f"the gateway did not recover: {gateway.readiness()}")
        await asyncio.sleep(0.05)
    recovery_seconds = time.monotonic() - back
    await asyncio.sleep(AFTER_SECONDS)
    client.stop()
    await load
    states.append((await asyncio.to_thread(gateway.readiness))[1])
    return states, recovery_seconds


def _report(
    name: str, url: str, memory: Memory, states: list[str], recovery_seconds: float, away_seconds: float
) -> dict[str, Any]:
    with closing(open_database(url)) as database:
        found = audit(database, ROUTER, memory)
    failed = {status: count for status, count in memory.statuses.items() if not status.endswith(" 200")}
    return {
        "database": name,
        "away_seconds": away_seconds,
        "acknowledged": memory.acknowledged,
        "acknowledged_answers": len(memory.completions),
        "failed_completions": sum(count for status, count in failed.items() if not status.startswith("feedback")),
        "statuses": dict(sorted(memory.statuses.items())),
        "readyz": states,
        "recovery_seconds": round(recovery_seconds, 2),
        "lost": found.lost,
        "counted_twice": found.counted_twice,
        "rebuild_equal": found.rebuild_equal,
    }


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "ledger", place], check=False)
    if mounted.returncode:
        raise RunFailed("a small file system can't be mounted: this needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def _until_full(disk: Path) -> None:
    """Write until the disk is full."""
    with (disk / "ballast").open("wb") as ballast:
        while True:
            try:
                ballast.write(b"0" * 65_536)
                ballast.flush()
            except OSError:
                return


def _grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={LARGE_DISK}", disk], check=True)
