"""Writes declared routers, the default router and the first key into the database before the server starts.

What the file declares overrides changes made through the API, and a message says so. The rest is left alone.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bandit.types import Json
from gateway.api_keys import EVERYTHING, hash_key, new_key
from gateway.catalog.catalog import Catalog
from gateway.maintenance.rebuild import rebuild_of
from gateway.management.context import Management
from gateway.management.prices import note_prices
from gateway.routing.edits import models_over
from gateway.routing.objectives import with_dollars
from gateway.settings import DEFAULT_ROUTER, RouterDeclaration, Settings
from gateway.settings.experiment_options import options_over
from storage.database.engine import Database
from storage.records import Actor, RouterModel, RouterRecord, Via
from storage.stores.keys import Keys
from storage.stores.routers import Routers

ADMIN_LABEL = "BANDIT_GATEWAY_ADMIN_KEY"
FIRST_LABEL = "first key"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was changed. `new_key_secret` is set only if the first key was created now; it is not stored anywhere."""

    new_key_secret: str | None
    messages: tuple[str, ...]


def prepare(settings: Settings, catalog: Catalog, database: Database, now: float) -> Prepared:
    """Bring declared routers, the default router and the first key into the database. Raises storage's errors.

    Idempotent, and safe in several processes at once: what one has created the others find.
    """
    messages = [*_apply_routers(settings, catalog, database, now)]
    note_prices(Management(database, lambda: catalog, Actor(Via.FILE), now, base_url=""))
    keys = Keys(database)
    messages += _apply_admin_key(settings.admin_key, keys, now)
    return Prepared(_make_first_key(keys, now), tuple(messages))


def _apply_routers(settings: Settings, catalog: Catalog, database: Database, now: float) -> list[str]:
    routers = Routers(database)
    kept = {record.id: record for record in routers.all()}
    management = Management(database, lambda: catalog, Actor(Via.FILE), now, base_url="")
    messages: list[str] = []
    for declaration in settings.routers.values():
        record = kept.get(declaration.id)
        if record is None:
            if routers.add(with_dollars(_new_router(declaration, now), catalog)):
                continue
            record = routers.get(declaration.id)  # of another process, which starts at the same time
        if record is None:
            continue
        declared, changes = _declared_over(record, declaration, now)
        if changes:
            declared = with_dollars(declared, catalog)
            from gateway.management.routers import audited  # noqa: PLC0415 - few starts change a router

            change = management.change("router.update", record.id, audited(record), audited(declared))
            routers.put(declared, change)
            messages.append(f"router {record.id}: as declared, {'; '.join(changes)}")
    if not kept and not settings.routers:
        routers.add(with_dollars(_default_router(catalog, now), catalog))
    for record in kept.values():
        if record.settings.get("automatic_models") and record.id not in settings.routers:
            followed = _followed(record, catalog, now)
            if followed.models != record.models:
                routers.put(followed)
                names = ", ".join(model.arm_id for model in followed.models if model.enabled)
                messages.append(f"router {record.id} follows what is configured: {names}")
    _keep_presets(routers, catalog)
    messages += [
        f"router {router_id}: its statistics are rebuilt beside the requests, as its half-lives or "
        "the form of the sums changed"
        for router_id in rebuild_of(database).due()
    ]
    routers.note_declared({declaration.id: declaration.lines for declaration in settings.routers.values()})
    return messages


def planned_router(record: RouterRecord, settings: Settings, catalog: Catalog) -> RouterRecord:
    """The router as `prepare` would leave it, without its preset's dollars."""
    declaration = settings.routers.get(record.id)
    if declaration is not None:
        return _declared_over(record, declaration, record.updated_at)[0]
    return _followed(record, catalog, record.updated_at) if record.settings.get("automatic_models") else record


def _keep_presets(routers: Routers, catalog: Catalog) -> None:
    """Give routers of older versions the dollars of their preset now, and keep them from now on."""
    for record in routers.all():
        priced = with_dollars(record, catalog)
        if priced != record:
            routers.put(priced)


def _new_router(declaration: RouterDeclaration, now: float) -> RouterRecord:
    return RouterRecord(
        id=declaration.id,
        name=declaration.name or declaration.id,
        secret=secrets.token_bytes(32),
        settings=declaration.options,
        models=declaration.models,
        created_at=now,
        updated_at=now,
    )


def _default_router(catalog: Catalog, now: float) -> RouterRecord:
    models = tuple(RouterModel(model.id) for model in catalog)
    options: Mapping[str, Json] = {"automatic_models": True}
    return RouterRecord(DEFAULT_ROUTER, "Default", secrets.token_bytes(32), options, models, now, now)


def _declared_over(record: RouterRecord, declaration: RouterDeclaration, now: float) -> tuple[RouterRecord, list[str]]:
    """The record with the declaration applied, and the changes in words."""
    changes = [
        f"{key} is {_shown(value)}" + (f" (was {_shown(record.settings[key])})" if key in record.settings else "")
        for key, value in declaration.options.items()
        if record.settings.get(key) != value
    ]
    settings = {**options_over(record.settings, declaration.options), "automatic_models": False}
    models = models_over(record.models, declaration.models)
    before, after = ({model for model in each if model.enabled} for each in (record.models, models))
    changes += [f"{model.arm_id} is enabled" for model in models if model in after - before]
    changes += [f"{model_id} is disabled" for model_id in sorted(_ids(before) - _ids(after))]
    name = declaration.name or record.name
    if name != record.name:
        changes.append(f"name is {_shown(name)} (was {_shown(record.name)})")
    return replace(record, name=name, settings=settings, models=models, updated_at=now), changes


def _followed(record: RouterRecord, catalog: Catalog, now: float) -> RouterRecord:
    known = {model.arm_id: model for model in record.models}
    configured = tuple(replace(known.get(model.id, RouterModel(model.id)), enabled=True) for model in catalog)
    return replace(record, models=models_over(record.models, configured), updated_at=now)


def _apply_admin_key(secret: str | None, keys: Keys, now: float) -> list[str]:
    """Keep the environment's key as the only live key with its label; revoke a former one."""
    if secret is None:
        return []
    mine = hash_key(secret)
    messages: list[str] = []
    for key in keys.labelled(ADMIN_LABEL):
        if key.hash != mine:
            keys.revoke(key.id, now)
            messages.append(f"{ADMIN_LABEL} has changed: the former key {key.id} is revoked")
    keys.add(new_key(ADMIN_LABEL, EVERYTHING, now=now, secret=secret)[1])  # unless its secret is known already
    if not any(key.hash == mine for key in keys.labelled(ADMIN_LABEL)):
        messages.append(
            f"{ADMIN_LABEL} is the secret of a key that was revoked, or made under another label, and stays so; "
            "set a new secret"
        )
    return messages


def _make_first_key(keys: Keys, now: float) -> str | None:
    if keys.exist():
        return None
    secret, record = new_key(FIRST_LABEL, EVERYTHING, now=now)
    return secret if keys.add_first(record) else None


def _ids(models: Iterable[RouterModel]) -> set[str]:
    return {model.arm_id for model in models}


def _shown(value: Json) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
