"""The configuration in force. A reload reads it again, and takes all of it or nothing."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.catalog.catalog import Catalog
from gateway.errors import Conflict
from gateway.providers.build import build_providers
from gateway.providers.http.client import HttpClient
from gateway.providers.upstream.provider import Provider
from gateway.readiness import Readiness
from gateway.routing.model_states import ModelStates
from gateway.routing.reloader import Reloader
from gateway.settings import Settings, SettingsError
from storage.errors import LedgerError

log = logging.getLogger(__name__)


class ConfigurationRefused(Conflict):
    """What was read again can't be used; the configuration in force goes on."""

    code = "configuration_refused"


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings that can be used, and the models that they come to."""

    settings: Settings
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class Reread:
    """A configuration that was read again, with what it changed, and the keys that the next start alone reads."""

    configured: Configured
    changes: tuple[str, ...]
    at_next_start: tuple[str, ...] = ()


class Configuration:
    """Replaces the configuration in force. `read_again` reads and checks it, and brings the database up to it.

    A provider that is not declared any more stays for the requests that were decided before.
    """

    def __init__(
        self,
        configured: Configured,
        read_again: Callable[[Configured], Reread],
        *,
        reloader: Reloader,
        providers: dict[str, Provider],
        client: HttpClient,
        model_states: ModelStates,
        readiness: Readiness,
    ) -> None:
        self.configured = configured
        self._read_again = read_again
        self._reloader = reloader
        self._providers = providers
        self._client = client
        self._model_states = model_states
        self._readiness = readiness
        self._one_at_a_time = asyncio.Lock()
        self._is_requested = False
        self._task: asyncio.Task[None] | None = None

    def request_reload(self) -> None:
        """Read the configuration again soon. For the event loop."""
        self._is_requested = True
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, without reading what was requested last."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        try:
            while self._is_requested:
                self._is_requested = False
                with contextlib.suppress(ConfigurationRefused):  # logged, and told by /readyz
                    await self.reload()
        finally:
            self._task = None

    async def reload(self) -> Reread:
        """Read the configuration again. Raises ConfigurationRefused: then nothing has changed."""
        async with self._one_at_a_time:
            try:
                async with self._reloader.paused():
                    reread = await asyncio.to_thread(self._read_again, self.configured)
                    await self._reloader.adopt(reread.configured.catalog)
            except (SettingsError, LedgerError) as error:
                raise self._refused(str(error)) from None
            except Exception as error:  # the former configuration must outlive every failure
                log.exception("the configuration could not be read again")
                raise self._refused("a failure of the gateway's own; its log has the cause") from error
            self._use(reread)
            return reread

    def _refused(self, why: str) -> ConfigurationRefused:
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        self._readiness.refused_configuration = f"{when}: {why}"
        for line in why.splitlines():
            log.error("the configuration was read again and can't be used, the former one goes on: %s", line)
        told = f"the configuration can't be used, and the former one goes on: {why}"
        return ConfigurationRefused(told, should_retry=False)

    def _use(self, reread: Reread) -> None:
        former, self.configured = self.configured.settings, reread.configured
        settings = reread.configured.settings
        changed = {name for name, each in settings.providers.items() if former.providers.get(name) != each}
        declared = {name: settings.providers[name] for name in changed}
        self._providers.update(build_providers(declared, self._client, None))
        for model in reread.configured.catalog:
            if model.provider in changed or former.models.get(model.id) != settings.models.get(model.id):
                self._model_states.resume(model.id)  # what was refused may be right now
        self._readiness.refused_configuration = None
        log.info("the configuration was read again%s", "" if reread.changes else ": nothing has changed")
        for change in reread.changes:
            log.info("configuration: %s", change)
        if reread.at_next_start:
            log.warning("configuration: %s: read at the next start", ", ".join(reread.at_next_start))
