"""The analyst's process: listens on a socket of this machine, ends when nobody asks, and with its parent."""

import asyncio
import contextlib
import fcntl
import logging
import os
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import msgspec

from gateway.analyst.calls import ask_of_call
from gateway.analyst.messages import LONGEST_LINE, Ask, Call, Start, State, Told
from gateway.analyst.work import Overloaded, Work, yield_to_others
from storage.database.engine import connect
from storage.stores.first_draws import FirstDraws
from storage.stores.routers import Routers

log = logging.getLogger(__name__)

IDLE_SECONDS = 600.0
MOST_BYTES = 300 << 20
SOCKET, LOCK = "analyst.sock", "analyst.lock"
READY, TAKEN = b"ready\n", b"taken\n"
OUT_OF_MEMORY = 12
"""Exit status of a process that would need more than `MOST_BYTES`."""


def main() -> None:
    """Serve until nobody has asked for `IDLE_SECONDS`, or standard input ends: the parent holds its other end."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a background process of a terminal may write to its log
    # Of memory that is written to: libraries reserve much more.
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    logging.basicConfig(level=logging.WARNING)
    start = msgspec.json.decode(sys.stdin.buffer.readline(LONGEST_LINE), type=Start)
    folder = Path(start.folder)
    folder.mkdir(mode=0o700, exist_ok=True)  # its name is a secret of the gateway's processes
    with (folder / LOCK).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(TAKEN)
            return
        database = connect(start.database_url, start.sqlite_synchronous, start.schema)
        (folder / SOCKET).unlink(missing_ok=True)  # of one that was killed
        asyncio.run(_serve(folder, Work(FirstDraws(database), _end_out_of_memory), Routers(database)))


def _say(word: bytes) -> None:
    sys.stdout.buffer.write(word)
    sys.stdout.buffer.flush()


def _end_out_of_memory() -> NoReturn:
    os._exit(OUT_OF_MEMORY)


def _leave(folder: Path) -> NoReturn:
    """End, whatever the thread is in the middle of; questions that wait learn of it by their connections."""
    with contextlib.suppress(OSError):
        (folder / SOCKET).unlink(missing_ok=True)
        (folder / LOCK).unlink()
        folder.rmdir()
    os._exit(0)


async def _serve(folder: Path, work: Work, routers: Routers) -> NoReturn:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(initializer=yield_to_others))
    ended = asyncio.Event()
    asked_at = loop.time()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked_at
        asked_at = loop.time()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            line = await reader.readuntil()
            asked: Ask | Call = msgspec.json.decode(line, type=Ask | Call)
            ask = await asyncio.to_thread(ask_of_call, asked, routers) if isinstance(asked, Call) else asked
            told = Told(State.REFUSED) if ask is None else await _told(work, ask)
            writer.write(msgspec.json.encode(told))
            await writer.drain()
        asked_at = loop.time()
        writer.close()

    await asyncio.start_unix_server(answer, folder / SOCKET, limit=LONGEST_LINE)
    loop.add_reader(sys.stdin.fileno(), ended.set)
    _say(READY)
    while not ended.is_set() and loop.time() - asked_at < IDLE_SECONDS:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), IDLE_SECONDS - (loop.time() - asked_at))
    _leave(folder)


async def _told(work: Work, ask: Ask) -> Told:
    try:
        job = work.job(ask)
    except Overloaded:
        return Told(State.FAILED, error="overloaded: the analyst has too many questions")
    await asyncio.to_thread(job.done.wait, ask.wait_seconds)
    return job.told
