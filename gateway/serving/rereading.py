"""Reads the configuration again while the gateway serves, and brings the database up to what it declares."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from gateway.catalog.catalog import Catalog
from gateway.configuration import Configured, Reread
from gateway.routing.variants import unusable, unusable_declared
from gateway.serving.bootstrap import planned_router, prepare
from gateway.settings import Settings, SettingsError
from gateway.settings.differences import READ_AT_START, differences, differences_at_start
from storage.database.engine import Database
from storage.stores.routers import Routers

Load = Callable[[], Settings]


def read(load: Load) -> Configured:
    """Read the configuration. Raises SettingsError."""
    return _configured(load())


def read_again(load: Load, former: Configured, database: Database) -> Reread:
    """Read and check all of it, then write routers and keys to the database. Safe in several processes at once.

    What only a start reads stays as it is. Raises SettingsError, with nothing written, and storage's errors.
    """
    loaded, before = load(), former.settings
    at_next_start = differences_at_start(before, loaded)
    kept = {name: getattr(before, name) for name in READ_AT_START}
    settings = replace(loaded, **kept, simulated=loaded.simulated or before.simulated)
    if settings.simulated and not before.simulated:
        raise SettingsError("simulated models are there only if the gateway was started with them: start it again")
    configured = _configured(settings)
    if lost := [*_routers_without_models(former, configured, database)]:
        raise SettingsError(*lost)
    prepared = prepare(settings, configured.catalog, database, time.time())
    fresh = [*settings.notices, *configured.catalog.notices]
    notices = [notice for notice in fresh if notice not in {*before.notices, *former.catalog.notices}]
    changes = (*differences(before, settings), *prepared.messages, *notices)
    return Reread(configured, changes, at_next_start)


def _configured(settings: Settings) -> Configured:
    catalog = Catalog(settings, datetime.now(UTC))
    if problems := unusable_declared(settings, catalog):
        raise SettingsError(*problems)
    return Configured(settings, catalog)


def _routers_without_models(former: Configured, configured: Configured, database: Database) -> Iterator[str]:
    """What to do about each router that would lose the last model that can serve it."""
    for record in Routers(database).all():
        planned = planned_router(record, configured.settings, configured.catalog)
        had = [each.arm_id for each in record.models if each.enabled and unusable(each, former.catalog) is None]
        has = any(each.enabled and unusable(each, configured.catalog) is None for each in planned.models)
        if had and not has:
            yield (
                f"router {record.id} would have no model left: none of {', '.join(had)} is configured and enabled any "
                "more; keep one, or change or delete the router first"
            )
