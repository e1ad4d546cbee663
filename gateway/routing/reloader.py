"""Reloads changed routers, keys and task names while the gateway serves."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from gateway.api_keys import Keyring
from gateway.catalog.catalog import Catalog
from gateway.routing.loader import EVERYTHING, Loader
from gateway.routing.registry import Registry
from storage.database.revisions import Topic
from storage.errors import DatabaseUnavailable
from storage.replication.changes import Subjects, united

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""Between attempts while the database is unavailable."""


class Reloader:
    """Loads changes in another thread, so that neither requests nor commits wait, and applies them on the event loop.

    One load runs at a time, in the order of the changes; the next one reads all that has changed meanwhile.
    """

    def __init__(self, loader: Loader, registry: Registry, keyring: Keyring) -> None:
        self._loader = loader
        self._registry = registry
        self._keyring = keyring
        self._changed: dict[Topic, Subjects] = {}
        self._task: asyncio.Task[None] | None = None
        self._loading = asyncio.Lock()

    def request(self, subjects: Mapping[Topic, Subjects]) -> None:
        """Load these soon. For the event loop."""
        for topic, ids in subjects.items():
            self._changed[topic] = united(self._changed.get(topic, frozenset()), ids)
        if self._changed and self._task is None:
            self._task = asyncio.create_task(self._run())

    def paused(self) -> asyncio.Lock:
        """A context in which nothing is loaded but by `adopt`; what changes meanwhile is loaded afterwards."""
        return self._loading

    async def adopt(self, catalog: Catalog) -> None:
        """Load everything with another catalog, and use that from now on. Call it while paused.

        Raises DatabaseUnavailable: then nothing has changed.
        """
        loader = self._loader.with_catalog(catalog)
        loaded = await asyncio.to_thread(loader.load, EVERYTHING)
        self._loader = loader
        self._registry.adopt(catalog, loaded)
        self._keyring.replace(loaded.key_ids, loaded.keys)

    async def close(self) -> None:
        """Stop, without loading what is still to be loaded."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        try:
            while self._changed:
                async with self._loading:
                    await self._reload()
        finally:
            self._task = None

    async def _reload(self) -> None:
        changed, self._changed = self._changed, {}
        try:
            loaded = await asyncio.to_thread(self._loader.load, changed)
        except Exception as error:  # the task must outlive every router
            if isinstance(error, DatabaseUnavailable):
                log.info("changes are read later: %s", error)
            else:
                log.exception("changes could not be read")
            self.request(changed)
            await asyncio.sleep(RETRY_SECONDS)
            return
        self._registry.replace(loaded)
        self._keyring.replace(loaded.key_ids, loaded.keys)
