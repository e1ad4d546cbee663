"""The composition root: here, and only here, the parts are made and handed to one another."""

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from importlib.metadata import version

from bandit.budget import pace
from bandit.learning import learn_scores
from bandit.types import BudgetState, Deltas, Scores
from gateway.auth import Keyring
from gateway.errors import MethodNotAllowed
from gateway.exchange import Outside
from gateway.failover import Cooldowns
from gateway.flow import Flow, Limits
from gateway.http import Http, Message, Receive, Scope, Send
from gateway.ids import new_id
from gateway.live import LiveRouter
from gateway.providers.client import HttpClient
from gateway.recorder import Recorder
from gateway.routes.api import build_api
from gateway.settings import Settings
from storage.arms import Arms
from storage.engine import Database
from storage.errors import DatabaseUnavailable
from storage.keys import Keys
from storage.routers import Routers
from storage.writer import Committed, Writer

log = logging.getLogger(__name__)

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
        self.api = build_api(self, version("bandit-gateway"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what a server hands over, as ASGI says."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = new_id("req", time.time())
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
        """Load what is known, and open the doors."""
        self.client = HttpClient()
        await self.client.start()

    async def stop(self) -> None:
        """Write everything that is still on its way, and close."""

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
