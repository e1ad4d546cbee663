"""Turns the configuration into a running server that shuts down gracefully."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from types import FrameType
from typing import cast

import uvicorn
from starlette.middleware.cors import CORSMiddleware

from gateway.asgi import ASGIApp
from gateway.configuration import Configured, Reread
from gateway.dashboard.session import make_link
from gateway.serving.allocator import keep_freed_memory
from gateway.serving.banner import Banner, Facts
from gateway.serving.bootstrap import prepare
from gateway.serving.connection_limits import ConnectionLimits, LimitedProtocol, limits_of_this_process, sweep
from gateway.serving.direct import Completions, direct_protocol
from gateway.serving.discovery import discover
from gateway.serving.rereading import Load, read, read_again
from gateway.serving.socket import BACKLOG, ServerError, bound, url_of
from gateway.serving.workers import Supervisor
from gateway.settings import Settings, SettingsError
from gateway.settings.listening import Tls
from gateway.telemetry.cells import Board
from gateway.telemetry.instruments import Instruments, log_to_stderr, secrets_of, tracing_starter
from storage.database.engine import Database, open_database
from storage.errors import LedgerError
from storage.stores.routers import Routers

ACCEPTED_PER_TURN = 16
"""Most connections that all processes together accept in one turn of their event loops (ADR 45)."""

KEEP_ALIVE_SECONDS = 75
LAST_SECONDS = 0.2
"""How long the requests of connections that were just accepted may take to come after a stop was requested."""

SHUTDOWN_SECONDS = 130
"""How long running answers may take after a stop was requested: a request's default deadline, and a little."""

ROUTER_HEADERS = ("selected-model", "variant", "attempts", "cost-usd", "overhead-ms", "degraded")
"""Headers of answers, behind `x-router-`, that a web page may read."""

Say = Callable[[str], None]
Announce = Callable[[], Coroutine[None, None, None]]


def run(load: Load, say: Say, workers: int = 1) -> None:
    """Serve until SIGTERM or SIGINT. `say` is called with the banner once the server answers.

    `load` is called again at each SIGHUP. Raises ServerError, SettingsError and storage's errors, all before the first
    request.
    """
    # Until a process handles SIGHUP it waits: it would end one that is still starting.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    current = read(load)
    listening = current.settings.listening
    instruments = Instruments(Board(workers), log_to_stderr(current.settings), tracing_starter(os.environ))
    parent = os.getpid()
    name = secrets.token_hex(8)

    def reload_others() -> None:
        if workers > 1:
            _reload_through(parent)

    with bound(listening.addresses) as listeners:
        banner = Banner(_prepare(current, [url_of(listener, listening) for listener in listeners]))

        def work(first: bool) -> None:
            process = _Process(load, current, instruments, listeners, reload_others, name, workers)
            _work(process, banner if first else None, say)

        def read_for_later_workers() -> None:
            nonlocal current
            # What is wrong is told by the workers, which read it after us.
            with (
                contextlib.suppress(SettingsError, LedgerError),
                contextlib.closing(_open(current.settings)) as database,
            ):
                current = read_again(load, current, database).configured

        if workers == 1:
            work(True)
        else:
            Supervisor(workers, work, read_for_later_workers).run()


def _open(settings: Settings) -> Database:
    return open_database(settings.database_url, settings.sqlite_synchronous, schema=settings.database_schema)


def _prepare(configured: Configured, urls: Sequence[str]) -> Facts:
    """Bring the database up to what is declared, and collect the banner's facts. Leaves nothing open."""
    settings, catalog = configured.settings, configured.catalog
    with contextlib.closing(_open(settings)) as database:
        prepared = prepare(settings, catalog, database, time.time())
        return Facts(
            version=version("bandit-gateway"),
            urls=tuple(urls),
            sign_in=make_link(database, database.clock.now()) if settings.dashboard else None,
            database=database.where,
            durability=settings.durability,
            routers={
                router.id: tuple(model.arm_id for model in router.models if model.enabled)
                for router in Routers(database).all()
            },
            simulated=settings.simulated,
            new_key_secret=prepared.new_key_secret,
            messages=(*settings.notices, *catalog.notices, *prepared.messages),
        )


@dataclass(frozen=True, slots=True)
class _Process:
    """What a serving process gets from its parent, or makes itself if it is the only one."""

    load: Load
    configured: Configured
    instruments: Instruments
    listeners: list[socket.socket]
    reload_others: Callable[[], None]
    name: str
    count: int  # of serving processes


def _work(process: _Process, banner: Banner | None, say: Say) -> None:
    from gateway.app import Gateway  # noqa: PLC0415 - a second of imports that a failed start need not take

    settings = process.configured.settings

    async def announce() -> None:
        if banner is None:
            return
        say(banner.text())
        if settings.config_path is None and (found := await asyncio.to_thread(asyncio.run, discover())):
            say(banner.local_servers(found))

    with contextlib.closing(_open(settings)) as database:

        def reread(former: Configured) -> Reread:
            again = read_again(process.load, former, database)
            process.instruments.logs.hide(secrets_of(again.configured.settings))
            tls = settings.listening.tls
            if tls is not None and config.ssl is not None and "listening" not in again.at_next_start:
                tls.load_into(config.ssl)  # a renewed certificate
            return again

        def give_up() -> None:
            server.give_up()

        gateway = Gateway(
            process.configured,
            database,
            process.instruments,
            reread,
            process.reload_others,
            process.name,
            give_up if process.count == 1 else None,  # else another process answers meanwhile
        )
        app = with_cors(gateway, settings.cors_origins)
        tls = settings.listening.tls
        config = uvicorn_config(app, limits_of_this_process(), gateway.count_refusal, gateway, tls)
        drain = Drain(settings.listening.drain_seconds, gateway.drain)
        server = Server(config, announce, drain, gateway.reload, ACCEPTED_PER_TURN // process.count)
        keep_freed_memory()
        _serve(server, process.listeners)


def _waiting(listener: socket.socket) -> Iterator[socket.socket]:
    """Accept what waits to be accepted; not for ever, as more may come all the time."""
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(BACKLOG):
            yield listener.accept()[0]


def _reload_through(parent: int) -> None:
    """Let the parent of this worker, and so all of its workers, read the configuration again."""
    if os.getppid() == parent:
        os.kill(parent, signal.SIGHUP)


def _serve(server: "Server", listeners: list[socket.socket]) -> None:
    for asked in (signal.SIGTERM, signal.SIGINT):
        # Before uvicorn handles signals one must not be lost, and after that one must not look like a crash.
        signal.signal(asked, server.handle_exit)
    try:
        server.run(listeners)
    except SystemExit:
        raise ServerError("the gateway could not start; the log above says why") from None
    if server.has_given_up:
        raise ServerError("the gateway could not start as a whole; the log above says why")


def with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The application with preflights answered and CORS headers for these origins; as it is without any."""
    if not origins:
        return app
    exposed = ["x-request-id", *(f"x-router-{name}" for name in ROUTER_HEADERS), "retry-after"]
    return CORSMiddleware(app, origins, allow_methods=["*"], allow_headers=["*"], expose_headers=exposed, max_age=600)


def uvicorn_config(
    app: ASGIApp,
    limits: ConnectionLimits,
    count_refusal: Callable[[int], None],
    completions: Completions | None = None,
    tls: Tls | None = None,
) -> uvicorn.Config:
    """How uvicorn serves the gateway. `completions` answers those that need no ASGI."""
    return uvicorn.Config(
        app,
        http=direct_protocol(limits, count_refusal, completions),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        ssl_keyfile_password=tls.key_password if tls else None,
    )


@dataclass(frozen=True, slots=True)
class Drain:
    """The time between SIGTERM and the last request that is accepted; `begin` is called at its start."""

    seconds: float = 0.0
    begin: Callable[[], None] = lambda: None


class Server(uvicorn.Server):
    """Uvicorn that drains after SIGTERM, calls `announce` when it is ready, and `reload` at each SIGHUP.

    A second signal to stop cancels running requests.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        announce: Announce,
        drain: Drain = Drain(),
        reload: Callable[[], None] | None = None,
        accepted_per_turn: int = ACCEPTED_PER_TURN,
    ) -> None:
        super().__init__(config)
        self._accepted_per_turn = accepted_per_turn
        self._reload = reload
        self._announce = announce
        self._drain = drain
        self._drained_at: float | None = None
        self.has_given_up = False

    def give_up(self) -> None:
        """Stop as after SIGTERM, for `_serve` to fail."""
        self.has_given_up = True
        self.handle_exit(signal.SIGTERM, None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: SIGTERM drains, SIGINT accepts no more; running requests end. Second: they are cancelled."""
        if self._drained_at is None and not self.should_exit:
            seconds = self._drain.seconds if sig == signal.SIGTERM else 0.0
            self._drained_at = time.monotonic() + seconds
            self._drain.begin()
            self.should_exit = seconds == 0.0
            return
        self.should_exit = True
        for task in self.server_state.tasks:
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now: after draining."""
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, accept connections, then announce it."""
        await super().startup(sockets and [*sockets, *self._duplicates(sockets)])
        if self._reload is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
        self._sweeping = asyncio.create_task(sweep(self.server_state.connections))
        self._announcing = asyncio.create_task(self._announce())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, finish running requests, close the application."""
        await self._announcing
        await self._accept_the_last(sockets or [])
        await super().shutdown(sockets)
        self._sweeping.cancel()

    def _duplicates(self, sockets: Sequence[socket.socket]) -> list[socket.socket]:
        """Duplicates of the sockets to accept from, too: uvloop accepts one connection of each in a turn.

        A busy turn is long. With TLS it would be longer: a handshake takes more of it than a request.
        """
        times = 1 if self.config.ssl else self._accepted_per_turn // len(sockets)
        return [each.dup() for each in sockets for _ in range(1, times)]

    async def _accept_the_last(self, sockets: Sequence[socket.socket]) -> None:
        """Accept the connections that are open for their clients already, close the sockets, and let requests come."""
        # Closing a socket resets what waits in its backlog, and uvicorn closes connections whose request was not read
        # yet: a proxy that has sent its request by then can't know whether to send it to another gateway.
        for duplicate in self.servers[len(sockets) :]:
            duplicate.close()  # before the last ones are accepted: who comes between that and the last close is reset
        last = [connection for each in sockets for connection in _waiting(each)]
        for server in self.servers:
            server.close()
        for each in sockets:
            each.close()
        protocol = cast("type[LimitedProtocol]", self.config.http_protocol_class)
        make = partial(protocol, self.config, self.server_state, self.lifespan.state)
        connect = asyncio.get_running_loop().connect_accepted_socket
        connecting = [asyncio.create_task(connect(make, each, ssl=self.config.ssl)) for each in last]
        await asyncio.sleep(LAST_SECONDS)
        for task in connecting:
            task.cancel()  # the handshake of TLS that does not come
        await asyncio.gather(*connecting, return_exceptions=True)
