"""The composition root: here, and only here, the parts are made and handed to one another."""

import contextlib
import gc
import logging
import re
import time
from importlib.metadata import version

from bandit.budget import pace
from bandit.learning import learn_scores
from bandit.types import BudgetState, Deltas, RouterSettings, Scores, StatisticKey, Sums
from gateway.auth import Keyring
from gateway.catalog import Catalog
from gateway.errors import MethodNotAllowed
from gateway.exchange import Outside
from gateway.failover import Cooldowns
from gateway.flow import Flow, Limits
from gateway.http import Http, Message, Receive, Scope, Send
from gateway.ids import RequestIds
from gateway.loading import build_providers, load_routers
from gateway.providers.client import HttpClient
from gateway.recorder import Recorder
from gateway.routes.api import build_api
from gateway.settings import Settings
from gateway.simulated import serve_simulated
from storage.engine import Database
from storage.errors import DatabaseUnavailable
from storage.keys import Keys
from storage.writer import Committed

log = logging.getLogger(__name__)

COLLECT_AFTER = (20_000, 50, 100)
"""Allocations between collections: requests leave few cycles behind, and a full collection costs milliseconds."""

_COMPLETIONS = re.compile(r"/([^/]+)/(?:v1/)?chat/completions")


class Gateway:
    """The running product: an ASGI application with a lifespan.

    Completions are dispatched here, before FastAPI's router, which costs more than all of our own path.
    `database` is open and its routers and keys are in place.
    """

    def __init__(self, settings: Settings, database: Database, catalog: Catalog) -> None:
        self.settings = settings
        self.database = database
        self.catalog = catalog
        self._request_ids = RequestIds()
        self.api = build_api(self, version("bandit-gateway"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what a server hands over, as ASGI says."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = self._request_ids.new(time.time())
        match = _COMPLETIONS.fullmatch(scope["path"])
        if match is None:
            scope.setdefault("state", {})["request_id"] = request_id
            await self.api(scope, receive, _with_id(send, request_id))
        elif scope["method"] == "POST":
            await self.flow.complete(Http(scope, receive, send, request_id), match[1])
        else:
            error = MethodNotAllowed("completions are asked for with POST")
            await Http(scope, receive, send, request_id).fail(error)

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
        """Load what is known, and open the doors. Raises storage's errors."""
        settings, database = self.settings, self.database
        self._client = HttpClient()
        await self._client.start()
        self._simulated = contextlib.AsyncExitStack()
        simulated_url = await self._simulated.enter_async_context(serve_simulated()) if settings.simulated else None
        self._recorder = Recorder(
            database,
            durable=settings.durability == "commit",
            learn_scores=self._learn_scores,
            pace=self._pace,
            apply=self._apply,
        )
        providers = build_providers(settings.providers, self._client, simulated_url)
        self.flow = Flow(
            Keyring(Keys(database).all()),
            load_routers(database, self.catalog, time.time()),
            Outside(providers, Cooldowns(), self._recorder, time.time),
            Limits(settings.max_request_bytes),
        )
        _spare_the_collector()

    async def stop(self) -> None:
        """Write everything that is still on its way, and close. The server has ended all requests by now."""
        await self._recorder.close()
        await self._client.close()
        await self._simulated.aclose()

    def _apply(self, committed: Committed) -> None:
        """Bring what was committed into the routers' memory, router by router."""
        deltas: dict[str, dict[StatisticKey, Sums]] = {}
        for key, sums in committed.deltas.items():
            deltas.setdefault(key.router_id, {})[key] = sums
        for router_id in deltas.keys() | committed.budgets.keys():
            live = self.flow.routers.get(router_id)
            if live is not None:
                live.apply(deltas.get(router_id, {}), committed.budgets.get(router_id))

    def _learn_scores(self, before: Scores, after: Scores) -> Deltas:
        """What a changed score adds to the statistics; called by the writer inside its transaction."""
        live = self.flow.routers.get(before.router_id)
        half_life = (live.settings if live else RouterSettings(before.router_id)).half_lives.quality
        return learn_scores(before, after, half_life)

    def _pace(self, router_id: str, state: BudgetState, cost_usd: float) -> BudgetState | None:
        """The next state of a router's budget; None without one. Called by the writer inside its transaction."""
        live = self.flow.routers.get(router_id)
        budget_usd = live.settings.budget_usd_per_request if live else None
        return None if budget_usd is None else pace(state, budget_usd, cost_usd)

    def problems(self) -> list[str]:
        """What keeps the gateway from serving. Asks the database: not for the event loop's thread."""
        try:
            self.database.check()
        except DatabaseUnavailable as error:
            return [str(error)]
        return [] if self.flow.routers else ["there is no router: declare one in the configuration file"]

    def notes(self) -> list[str]:
        """What an operator should mend, though the gateway serves: parked models."""
        return [f"{model_id}: {why}" for model_id, why in sorted(self.flow.outside.cooldowns.parked().items())]


def _with_id(send: Send, request_id: str) -> Send:
    async def send_with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
        await send(message)

    return send_with_id


def _spare_the_collector() -> None:
    """Keep what start-up made out of the garbage collector's sight: it would walk a million objects in a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
