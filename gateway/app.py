"""The composition root: the only place where the gateway's parts are built and given to one another."""

import asyncio
import contextlib
import logging
import re
import secrets
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from importlib.metadata import version
from typing import cast

from bandit.types import LoopTime
from gateway.analyst.client import Analyst
from gateway.asgi import ASGIApp, Http, Receive, Scope, Send, below, closing
from gateway.bodies import Bodies
from gateway.completions.handler import Services
from gateway.completions.validation import Validator
from gateway.configuration import Configuration, Configured, Reread
from gateway.dashboard.events import Events
from gateway.dashboard.refreshes import Refreshes
from gateway.dashboard.services import PageServices
from gateway.dashboard.session import Sessions
from gateway.errors import MethodNotAllowed
from gateway.flow import Flow, Limits
from gateway.garbage import freeze
from gateway.ids import RequestIds
from gateway.judging.queues import open_queues
from gateway.late_app import LateApp
from gateway.limits.alerts import Alerts
from gateway.limits.limiter import KeyLimiter
from gateway.maintenance.days import keep_days
from gateway.maintenance.heartbeat import Heartbeat
from gateway.maintenance.retention import RetentionWorker
from gateway.maintenance.unmatched import UnmatchedCounter
from gateway.providers.build import build_providers
from gateway.providers.http.client import HttpClient
from gateway.readiness import Readiness
from gateway.recorder import Recorder
from gateway.reporter import Reporter
from gateway.responses.exchange import ResponsesHttp
from gateway.routes.services import RouteServices
from gateway.routing.loader import EVERYTHING, Loader
from gateway.routing.model_states import ModelStates
from gateway.routing.publisher import Publisher
from gateway.routing.registry import Registry
from gateway.routing.reloader import Reloader
from gateway.routing.router import LiveRouter
from gateway.routing.task_names import TaskAdmission
from gateway.simulated import serve_simulated
from gateway.telemetry.answers import observed
from gateway.telemetry.cells import Cells
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.gauges import Gauges
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observer import Observer
from gateway.telemetry.posteriors import Posteriors
from gateway.turns import Turns
from storage.database.engine import POOLER, Database
from storage.database.watchdog import Watchdog
from storage.pending_events import fold_pending
from storage.replication.changes import Changed, Position, read_everything
from storage.stores.ledger import Ledger
from storage.stores.sign_in import SignIn
from storage.stores.tasks import Tasks
from storage.writing.failover import State
from storage.writing.spool import Spool, owner_of, spool_stem

log = logging.getLogger(__name__)

DRAWING = "gateway.dashboard.what_if_answer:page_of"
"""The function, as `module:function`, by which the analyst draws pages; it alone imports it."""

_COMPLETIONS = re.compile(r"/([^/]+)/(?:v1/)?(?:chat/completions|(responses))/?")
_DIRECT = re.compile(rb"/([A-Za-z0-9_.~-]+)/(?:v1/)?chat/completions")  # of a URL that needs no decoding


class Gateway:
    """The gateway: an ASGI application with a lifespan.

    Completions are dispatched here, before FastAPI's router, which alone costs more time than all of our own code.
    `database` is open, and its routers and keys are prepared. `instruments` are shared by all workers.
    `read_again` reads the configuration again, and `reload_others` lets this machine's other workers do so too.
    `name` is a secret one that they share. `complete` answers one completion request, once the gateway is started.
    `give_up` stops this process, which then loads all but completions when it listens already; None: before.
    """

    complete: Callable[[Http, str], Coroutine[object, object, None]]

    def __init__(
        self,
        configured: Configured,
        database: Database,
        instruments: Instruments,
        read_again: Callable[[Configured], Reread],
        reload_others: Callable[[], None] = lambda: None,
        name: str | None = None,
        give_up: Callable[[], None] | None = None,
    ) -> None:
        self.configured = configured
        self.settings = configured.settings
        self.database = database
        self._instruments = instruments
        self._read_again = read_again
        self._reload_others = reload_others
        self._name = name or secrets.token_hex(8)
        self._give_up = give_up
        self.pages: PageServices | None = None
        self._request_ids = RequestIds()
        self._unmatched = UnmatchedCounter()
        self._readiness: Readiness | None = None
        self.draining = False
        self._root_path = self.settings.listening.root_path.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection, as ASGI specifies."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    def router_of(self, url: bytes) -> str | None:
        """The router that a completion is asked of at this URL, if that can be answered without ASGI."""
        match = _DIRECT.fullmatch(url.removeprefix(self._root_path))
        return None if match is None or self.draining else match[1].decode()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.draining:
            send = closing(send)
        root = self.settings.listening.root_path
        path = below(root, scope["path"])
        match = _COMPLETIONS.fullmatch(path)
        if match is None:
            request_id = self._new_request_id()
            path = root + (path.rstrip("/") or "/")  # clients that join URLs may leave a slash at the end
            method = "GET" if scope["method"] == "HEAD" else scope["method"]  # the server leaves the body out
            inner = {**scope, "method": method, "path": path, "root_path": root, "request_id": request_id}
            told = observed(self._observer, inner, send, request_id)
            await self._api(inner, receive, told)
        elif scope["method"] == "POST":
            exchange = ResponsesHttp if match[2] else Http
            await self.complete(exchange(scope, receive, send), match[1])
        else:
            request_id = self._new_request_id()
            error = MethodNotAllowed("completions are asked for with POST", ["POST"])
            self._observer.refused(request_id, "", None, error, 0.0)
            await Http(scope, receive, send, request_id).fail(error)

    def count_refusal(self, status: int) -> None:
        """Count an answer that a connection was given without a request."""
        self._observer.answered(self._new_request_id(), "", "", status, 0.0)

    def _new_request_id(self) -> str:
        return self._request_ids.new(self.database.clock.now())

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            log.exception("the gateway could not start")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Load routers and keys, open everything. A start that fails closes what it had opened. Raises LedgerError."""
        settings, catalog, database = self.settings, self.configured.catalog, self.database
        async with contextlib.AsyncExitStack() as opened:
            simulated_url = await opened.enter_async_context(serve_simulated()) if settings.simulated else None
            client = HttpClient()
            await client.start()
            opened.push_async_callback(client.close)
            providers = build_providers(settings.providers, client, simulated_url)
            everything, position = _read_all(database)
            watchdog = opened.enter_context(contextlib.closing(Watchdog()))
            registry = Registry(everything, catalog)
            limiter = await self._open_limiter(opened, everything)
            loader = Loader(database.watched(watchdog), catalog, database.clock.now)
            loaded = loader.load(EVERYTHING)
            registry.replace(loaded)
            keyring = loaded.keys
            reloader = Reloader(loader, registry, keyring)
            opened.push_async_callback(reloader.close)
            self.model_states = ModelStates()
            spool = spool_stem(settings.database_url)
            self._heartbeat = heartbeat = await opened.enter_async_context(
                Heartbeat(database, version=version("bandit-gateway"), spool=spool)
            )
            self._recorder = Recorder(
                database,
                registry,
                reloader,
                model_states=self.model_states,
                durable=settings.durability == "commit",
                spool=Spool(spool, owner_of(database)),
                position=position,
                limiter=limiter,
                publisher=opened.enter_context(contextlib.closing(Publisher(registry.routers, database.clock.now))),
            )
            opened.push_async_callback(self._recorder.close)
            heartbeat.start(self._recorder.is_spooling, keyring.take_uses, self._unmatched.take)
            cells = self._open_instruments(opened, registry.routers)
            self.validator = Validator(self._recorder.validity)
            opened.push_async_callback(asyncio.to_thread, self.validator.close)
            retention = RetentionWorker(database, database.clock.now)
            retention.start()
            opened.push_async_callback(asyncio.to_thread, retention.close)
            self.routers = registry.routers
            gauges = Gauges(
                cells,
                self._recorder,
                self.model_states.cooldowns,
                self.routers,
                database.clock.now,
                self._instruments.logs,
                heartbeat.refused_count,
                limiter,
            )
            services = Services(
                providers=providers,
                model_states=self.model_states,
                recorder=self._recorder,
                validator=self.validator,
                queues=await opened.enter_async_context(
                    open_queues(providers, self.model_states, self._recorder, self._observer, database.clock.now)
                ),
                observer=self._observer,
                clock=database.clock.now,
                loop_clock=cast("Callable[[], LoopTime]", asyncio.get_running_loop().time),
            )
            admission = TaskAdmission(Tasks(database), database.clock.now)
            opened.push_async_callback(admission.close)
            bodies = opened.enter_context(contextlib.closing(Bodies()))
            flow = Flow(
                keyring,
                registry,
                services,
                Limits(settings.max_request_bytes),
                admission,
                bodies,
                heartbeat.may_be_spooled,
                heartbeat.is_kept_aside,
                limiter,
                self._unmatched,
                self._request_ids,
            )
            self.complete = flow.complete
            readiness = Readiness(
                self._recorder,
                self.routers,
                registry.unreadable,
                self.model_states,
                database.where,
                [f"the database is reached through {POOLER}"] if database.pooler else [],
                heartbeat,
            )
            for each in (gauges, Reporter(heartbeat, self._recorder, readiness, self.model_states, database.clock.now)):
                opened.callback(asyncio.create_task(each.run()).cancel)
            self.configuration = Configuration(
                self.configured,
                self._read_again,
                reloader=reloader,
                providers=providers,
                client=client,
                model_states=self.model_states,
                readiness=readiness,
            )
            opened.push_async_callback(self.configuration.close)
            routes = RouteServices(
                flow=flow,
                keyring=keyring,
                routers=self.routers,
                ledger=Ledger(database),
                gauges=gauges,
                exposition=Exposition(self._instruments.board),
                clock=database.clock.now,
                model_states=self.model_states,
                database=database,
                days=keep_days(database, opened),
                readiness=readiness,
                recorder=self._recorder,
                configuration=self.configuration,
                reload_others=self._reload_others,
                analyst=await opened.enter_async_context(
                    contextlib.aclosing(
                        Analyst(
                            self._name,
                            settings.database_url,
                            settings.sqlite_synchronous,
                            settings.database_schema,
                            DRAWING if settings.dashboard else None,
                        )
                    )
                ),
                turns=Turns(),
                replica_count=heartbeat.replica_count,
            )
            self._readiness = readiness
            readiness.stopping = self.draining  # a signal may come while the gateway starts
            freeze(opened)
            await self._open_api(opened, routes)
            self._opened = opened.pop_all()

    def drain(self) -> None:
        """Tell load balancers and kept connections to go elsewhere; what still comes is served. For signal handlers."""
        self.draining = True
        if self._readiness is not None:
            self._readiness.stopping = True

    def reload(self) -> None:
        """Read the configuration again soon. For the event loop."""
        self.configuration.request_reload()

    async def _open_limiter(self, opened: contextlib.AsyncExitStack, everything: Changed) -> KeyLimiter:
        """Begin to limit what API keys use, and to give alerts of it."""
        alerts = await opened.enter_async_context(Alerts(self.database, self.settings.alerts_webhook_url))
        return KeyLimiter(everything, self.database.clock.now, self._granted_share, alerts.put)

    def _granted_share(self) -> float:
        """The part of a key's limits that this process grants: without the database an equal one of all processes'."""
        return 1.0 if self._recorder.state is State.OK else 1.0 / self._heartbeat.replica_count()

    def _open_instruments(self, opened: contextlib.AsyncExitStack, routers: Mapping[str, LiveRouter]) -> Cells:
        """Begin to count, log and trace; this process's cells for metrics."""
        instruments = self._instruments
        cells = instruments.board.open()
        opened.callback(instruments.board.close)
        tracing = instruments.start_tracing and instruments.start_tracing(self.settings.providers)
        if tracing is not None:
            opened.push_async_callback(asyncio.to_thread, tracing.close)
        self._observer = Observer(Metrics(cells), instruments.logs, tracing)
        posteriors = Posteriors(cells, routers, self.database.clock.now, by_task=self.settings.metrics_by_task)
        opened.callback(asyncio.create_task(posteriors.run()).cancel)
        return cells

    async def _open_api(self, opened: contextlib.AsyncExitStack, services: RouteServices) -> None:
        """Begin to load all but completions, and wait for it unless this process can give up later."""
        if self.settings.dashboard:
            self.pages = await self._open_pages(services)
        api = LateApp(partial(_load_api, services, self.pages), services.turns, self._give_up)
        self._api = await opened.enter_async_context(contextlib.aclosing(api))
        if self._give_up is None:
            await api.loaded()

    async def _open_pages(self, services: RouteServices) -> PageServices:
        secret = await asyncio.to_thread(SignIn(self.database).ensure_secret, self.database.clock.now())
        events = Events(
            services.routers,
            services.keyring,
            self._recorder,
            self.model_states,
            services.readiness,
            self._heartbeat,
        )
        refreshes = Refreshes(lambda: events.open_streams, services.turns)
        return PageServices(Sessions(secret, services.keyring), events, refreshes)

    async def stop(self) -> None:
        """Write what is still queued, and close everything. The server has ended all requests by then."""
        await self._opened.aclose()


def _load_api(services: RouteServices, pages: PageServices | None) -> ASGIApp:
    from gateway.api import build  # noqa: PLC0415 - a third of a start, which no completion needs

    return build(version("bandit-gateway"), services, pages)


def _read_all(database: Database) -> tuple[Changed, Position]:
    """Read all statistics, with what a process that was killed has left. Raises DatabaseUnavailable."""
    with database.write() as connection:
        fold_pending(connection)
    return read_everything(database)
