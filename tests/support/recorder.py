"""A recorder with all that it works on, on a ledger."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.catalog.catalog import Catalog
from gateway.limits.limiter import KeyLimiter
from gateway.recorder import Recorder
from gateway.routing.loader import EVERYTHING, Loader
from gateway.routing.model_states import ModelStates
from gateway.routing.publisher import Publisher
from gateway.routing.registry import Registry
from gateway.routing.reloader import Reloader
from storage.database.engine import Database
from storage.replication.changes import read_everything
from storage.writing.spool import Spool, owner_of
from tests.support.records import NOW


@asynccontextmanager
async def recording(
    database: Database, catalog: Catalog, folder: Path, *, durable: bool = True
) -> AsyncIterator[tuple[Recorder, Registry]]:
    """A recorder of the routers that there are, at `NOW`, and its registry; closed at the end."""
    async with AsyncExitStack() as opened:
        everything, position = read_everything(database)
        registry, loader = Registry(everything, catalog), Loader(database, catalog, lambda: NOW)
        loaded = loader.load(EVERYTHING)
        registry.replace(loaded)
        reloader = Reloader(loader, registry, loaded.keys)
        opened.push_async_callback(reloader.close)
        recorder = Recorder(
            database,
            registry,
            reloader,
            model_states=ModelStates(),
            durable=durable,
            spool=Spool(folder / "spool.", owner_of(database)),
            position=position,
            limiter=KeyLimiter(everything, lambda: NOW, lambda: 1.0, lambda _: None),
            publisher=Publisher(registry.routers, lambda: NOW),
        )
        opened.push_async_callback(recorder.close)
        yield recorder, registry
