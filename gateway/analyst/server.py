"""The analyst's process: listens on a socket of this machine, ends when nobody asks, and with its parent."""

import asyncio
import contextlib
import fcntl
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import NoReturn

import msgspec

from gateway.analyst.calls import read_call
from gateway.analyst.messages import LONGEST_LINE, Ask, Call, Start, State, Told, answer_of
from gateway.analyst.pages import Page
from gateway.analyst.questions import InvalidQuestion
from gateway.analyst.work import Overloaded, Work, yield_to_others
from storage.database.engine import connect
from storage.records import RouterRecord
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
        calls = partial(read_call, routers=Routers(database), pages=partial(_page_of, start.pages))
        asyncio.run(_serve(folder, Work(FirstDraws(database), _end_out_of_memory), calls))


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


def _page_of(name: str | None, call: Call, record: RouterRecord) -> Page:
    """Read a page's call by the dashboard's own code, which is loaded with the first one: most callers want JSON."""
    if name is None:
        raise InvalidQuestion("page", "page: there is no dashboard")
    found: Page = resolve_name(name)(call, record)
    return found


async def _serve(folder: Path, work: Work, read: Callable[[Call], Ask | Page | None]) -> NoReturn:
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
            wanted = await asyncio.to_thread(read, asked) if isinstance(asked, Call) else asked
            writer.write(msgspec.json.encode(await _answer(work, wanted)))
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


async def _answer(work: Work, wanted: Ask | Page | None) -> Told:
    match wanted:
        case None:
            return Told(State.REFUSED)
        case Ask():
            return await _told(work, wanted)
        case Page():
            return await _drawn(work, wanted)


async def _drawn(work: Work, page: Page) -> Told:
    """A page, whatever of it is known. Its second question waits for the answer to the first."""
    told: list[Told] = []
    for ask in (page.first, page.second):
        if all(each.state is State.DONE for each in told):
            told.append(await _told(work, ask))
    for each in told:
        if each.state is State.FAILED:
            return each
    first, second = answer_of(told[0]), answer_of(told[1]) if len(told) > 1 else None
    html = await asyncio.to_thread(page.draw, first, second)
    return Told(State.DONE, content=msgspec.Raw(msgspec.json.encode(html)))


async def _told(work: Work, ask: Ask) -> Told:
    try:
        job = work.job(ask)
    except Overloaded:
        return Told(State.FAILED, error="overloaded: the analyst has too many questions")
    await asyncio.to_thread(job.done.wait, ask.wait_seconds)
    return job.told
