"""Asks the analyst: one process per gateway and machine, started at the first question, shared by all workers."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path

import msgspec

from bandit.types import Epoch
from gateway.analyst.calls import ask_of
from gateway.analyst.messages import LONGEST_LINE, Answer, Ask, Call, Kind, Progress, Start, State, Told, answer_of
from gateway.analyst.questions import Question
from gateway.analyst.server import OUT_OF_MEMORY, READY, SOCKET
from gateway.errors import Unavailable

WAIT_SECONDS = 1.0
"""An answer that takes longer is told by its progress."""
REPLY_SECONDS = 20.0
START_SECONDS = 30.0
END_SECONDS = 5.0


class Analyst:
    """The analyst's process, wherever among this gateway's workers it was started. For one event loop.

    All workers of a gateway give it the same `name`, which tells where it listens. `pages` names the `Reading` of
    pages, as `module:function`.
    """

    def __init__(
        self, name: str, database_url: str, sqlite_synchronous: str, schema: str | None, pages: str | None = None
    ) -> None:
        self._name = name
        self._database_url = database_url
        self._sqlite_synchronous = sqlite_synchronous
        self._schema = schema
        self._pages = pages
        self._process: subprocess.Popen[bytes] | None = None
        self._starting: asyncio.Task[None] | None = None

    async def ask(self, kind: Kind, question: Question, now: Epoch, points: int = 0) -> Answer:
        """The answer as JSON, or how far it is. Raises Unavailable, OurOwnFault."""
        streams = await self._connected()
        if streams is None:
            return Progress(0.0, b"null")
        return answer_of(await self._told(*streams, ask_of(kind, question, now, points, WAIT_SECONDS)))

    async def call(self, call: Call) -> Answer | None:
        """The answer to what a URL asks; None if it has to be asked in full, to be refused or as nobody listens.

        Raises Unavailable, OurOwnFault.
        """
        streams = await self._connect()
        if streams is None:
            return None
        told = await self._told(*streams, call)
        return None if told.state is State.REFUSED else answer_of(told)

    async def _told(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Ask | Call) -> Told:
        ours = self._process if self._process is not None and self._process.poll() is None else None
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                return await _exchange(reader, writer, asked)
        except TimeoutError:
            if ours is not None:
                ours.kill()
            raise _unavailable(f"the analyst did not answer within {REPLY_SECONDS:.0f} s") from None
        except (OSError, asyncio.IncompleteReadError, msgspec.DecodeError):
            why = "" if ours is None else await asyncio.to_thread(_why_ended, ours)
            raise _unavailable(f"the analyst ended while it worked{why}") from None

    async def aclose(self) -> None:
        """End the process, if this one has started it."""
        if self._starting is not None:
            self._starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Unavailable):
                await self._starting
        if self._process is not None:
            await asyncio.to_thread(_end, self._process)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection; None while the process is being started. Raises Unavailable if it does not start."""
        if (streams := await self._connect()) is not None:
            return streams
        if self._starting is None or self._starting.done():
            if self._starting is not None and (error := self._starting.exception()) is not None:
                self._starting = None
                raise error
            self._starting = asyncio.create_task(self._begin())
        await asyncio.wait([self._starting], timeout=WAIT_SECONDS)
        return await self._connect()

    @cached_property
    def _folder(self) -> Path:
        """Where it listens. Raises Unavailable."""
        try:
            return Path(tempfile.gettempdir(), f"bandit-gateway-{self._name}")
        except FileNotFoundError as error:
            raise Unavailable(f"the analyst needs a temporary folder: {error}", code="analyst_ended") from None

    @cached_property
    def _socket(self) -> str:
        return str(self._folder / SOCKET)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        try:
            return await asyncio.open_unix_connection(self._socket, limit=LONGEST_LINE)
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    async def _begin(self) -> None:
        """Start the process, unless another worker has done so; return when one listens."""
        former, self._process = self._process, None
        if former is not None:
            await asyncio.to_thread(_end, former)
        start = Start(str(self._folder), self._database_url, self._sqlite_synchronous, self._schema, self._pages)
        # -P: no module of the working folder is imported. A process group of its own: a terminal's signals are for us.
        # Not a session of its own: Linux schedules sessions as groups (autogroup), and among groups niceness means
        # nothing, so the analyst would get as much of a busy processor as the gateway.
        process = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-P", "-m", "gateway.analyst"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a buffer of 32 MB each, for no matrix of ours
            process_group=0,
        )
        self._process = process
        try:
            async with asyncio.timeout(START_SECONDS):
                word = await asyncio.to_thread(_introduce, process, start)
        except TimeoutError:
            process.kill()
            raise Unavailable(f"the analyst did not start within {START_SECONDS:.0f} s", code="analyst_ended") from None
        if word != READY:
            await asyncio.to_thread(_end, process)
            self._process = None
            if not word:
                raise Unavailable(f"the analyst did not start: {_ended(process)}", code="analyst_ended")


def _unavailable(what: str) -> Unavailable:
    return Unavailable(f"{what}; ask again, it is started anew", code="analyst_ended", retry_after_seconds=1)


def _why_ended(process: "subprocess.Popen[bytes]") -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
        return f": {_ended(process)}"
    return ""


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Ask | Call) -> Told:
    try:
        writer.write(msgspec.json.encode(asked) + b"\n")
        await writer.drain()
        return msgspec.json.decode(await reader.read(-1), type=Told)
    finally:
        writer.close()


def _introduce(process: "subprocess.Popen[bytes]", start: Start) -> bytes:
    """Tell a new process what it needs to know, and return its first word; nothing if it has ended."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(msgspec.json.encode(start) + b"\n")
        process.stdin.flush()
    return process.stdout.readline()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process by the end of its input, and wait for it."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ended(process: "subprocess.Popen[bytes]") -> str:
    status = process.returncode
    if status == OUT_OF_MEMORY:
        return "it needed more than 300 MB"
    if status is not None and status < 0:
        return f"it was ended by {signal.Signals(-status).name}"
    return f"its exit status was {status}; the log says why"
