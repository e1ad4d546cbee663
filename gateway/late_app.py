"""An application that is loaded while completions are answered already."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable

from gateway.asgi import ASGIApp, Receive, Scope, Send
from gateway.errors import OurOwnFault
from gateway.routes.services import error_response
from gateway.turns import Turns

log = logging.getLogger(__name__)


class LateApp:
    """Answers by the application that `load` imports and builds in a thread; requests wait for that.

    For the event loop alone. If it can't be loaded the log says so, requests get status 500, and `failed` is called.
    """

    def __init__(self, load: Callable[[], ASGIApp], turns: Turns, failed: Callable[[], None] | None) -> None:
        self._loading = asyncio.create_task(self._load(load, turns, failed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection, as ASGI specifies."""
        try:
            app = await self.loaded()
        except Exception:  # `_load` has logged it
            await error_response(OurOwnFault())(scope, receive, send)
        else:
            await app(scope, receive, send)

    async def loaded(self) -> ASGIApp:
        """Wait for the application. Raises what `load` raises."""
        return await asyncio.shield(self._loading)  # a client that leaves cancels nothing for the others

    async def aclose(self) -> None:
        """Wait until nothing is loaded any more."""
        with contextlib.suppress(Exception):
            await self._loading

    async def _load(self, load: Callable[[], ASGIApp], turns: Turns, failed: Callable[[], None] | None) -> ASGIApp:
        try:
            with turns.short():
                app = await asyncio.to_thread(load)
        except Exception:
            log.exception("all but completions can't be served")
            if failed is not None:
                failed()
            raise
        gc.freeze()  # as `gateway.garbage` does with what was there at the start, but without a pause
        return app
