"""Routers: list, show, create, change, delete."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import msgspec
from pydantic import BaseModel, Field, JsonValue

from bandit.types import Json
from gateway.errors import BadRequest, Conflict, InsufficientScope, NotFound, RevisionConflict
from gateway.ids import new_id
from gateway.maintenance.rebuild import rebuild_of
from gateway.management.context import JsonFields, Management
from gateway.routing.edits import changed_router, new_router
from gateway.routing.objectives import kept_dollars
from gateway.settings.experiment_options import INSTEAD
from gateway.settings.router_options import OPTION_KEYS, half_lives_of, read_options
from gateway.settings.table_reader import Fields, Problem, shown
from storage.records import AuditRecord, RouterModel, RouterRecord
from storage.stores.evals import Evals
from storage.stores.routers import RouterChanged, Routers

MOST_RETRIES = 10
"""Attempts to change a router that others change at the same time, each from what they left."""


class RouterModelView(BaseModel):
    """An arm of a router: a model, or a variant of one. A disabled one keeps what was learned of it.

    For a variant `model` is the id of its model, which `id` has before an `@`; `thinking`, `tier` and `params` are its
    settings. For a model as it is they are null.
    """

    id: str
    enabled: bool = True
    min_share: float = Field(0.0, ge=0, le=1)
    max_share: float = Field(1.0, gt=0, le=1)
    model: str | None = None
    thinking: str | None = None
    tier: str | None = None
    params: dict[str, JsonValue] | None = None


class ObjectiveView(BaseModel):
    """What a perfect answer, a second of waiting and a failure are worth, in dollars."""

    quality_usd: float
    second_usd: float
    failure_usd: float


class RouterView(BaseModel):
    """A router as the API shows it.

    `settings` are all options as they are in effect, `defaults` the names of those that were never set. `declared` are
    the fields that the configuration file sets, each with its line: the next start sets them again. `eval_ids` are the
    scorecards that count for it; null: all that apply.
    """

    id: str
    object: str = "router"
    name: str
    endpoint: str
    enabled_models: list[str]
    models: list[RouterModelView]
    eval_ids: list[str] | None
    settings: dict[str, JsonValue]
    defaults: list[str]
    objective_usd: ObjectiveView | None
    declared: dict[str, int]
    revision: int
    created_at: float
    updated_at: float
    warnings: list[str] = []


@dataclass(frozen=True, slots=True)
class RouterChange:
    """The router after a change, and whether its statistics are to be rebuilt, as its half-lives changed."""

    router: RouterView
    rebuild: bool


def list_routers(management: Management) -> list[RouterView]:
    """All routers that the actor may see, by id."""
    return [_view(management, record) for record in visible_routers(management)]


def visible_routers(management: Management) -> list[RouterRecord]:
    """The records of all routers that the actor may see, by id."""
    return [record for record in Routers(management.database).all() if management.sees(record.id)]


def router_view(record: RouterRecord, base_url: str, warnings: Sequence[str] = ()) -> RouterView:
    """The view of a record that was read already, by a gateway that is reached at this URL."""
    dollars = kept_dollars(record)
    problems: list[Problem] = []  # what this version can't read of the settings, such as a rule of a newer one
    options = read_options(Fields(record.settings, problems))
    served = "the router is not served, or with its former settings, until they are changed"
    unreadable = [f"`{problem.dotted()}` {problem.message}: {served}" for problem in problems]
    return RouterView(
        id=record.id,
        name=record.name,
        endpoint=f"{base_url}/{record.id}/chat/completions",
        enabled_models=[model.arm_id for model in record.models if model.enabled],
        models=[model_view(model) for model in record.models],
        eval_ids=None if record.eval_ids is None else list(record.eval_ids),
        settings=options.to_json(),
        defaults=[key for key in OPTION_KEYS if key not in record.settings],
        objective_usd=None if dollars is None else ObjectiveView(**asdict(dollars)),
        declared=dict(record.declared),
        revision=record.revision,
        created_at=record.created_at,
        updated_at=record.updated_at,
        warnings=[*unreadable, *warnings],
    )


def list_router_names(management: Management) -> list[tuple[str, str]]:
    """Id and name of all routers that the actor may see, by id."""
    return [named for named in Routers(management.database).names() if management.sees(named[0])]


def get_router(management: Management, router_id: str) -> RouterView:
    """One router. Raises NotFound."""
    return _view(management, management.existing_router(router_id))


def create_router(management: Management, fields: Mapping[str, object]) -> RouterChange:
    """Create a router from `id` (optional), `name`, `models` or `enabled_models`, and options by their names.

    One of the same id that was deleted is continued: its statistics may have to be rebuilt. Raises OptionsError,
    BadRequest, InsufficientScope, Conflict.
    """
    values = _with_models(fields)
    router_id = values.pop("id", None) or new_id("rtr", management.now)
    if not isinstance(router_id, str):
        raise BadRequest("`id` must be a string: rtr_ and a name of your choice", param="id")
    if management.router_ids is not None:
        raise InsufficientScope("an API key of some routers can't create another one", should_retry=False)
    eval_ids = values.pop("eval_ids", None)
    record = new_router(router_id, values, management.catalog(), management.now)
    record = replace(record, eval_ids=_known_evals(management, router_id, eval_ids))
    change = management.change("router.create", router_id, {}, audited(record))
    routers = Routers(management.database)
    exists = Conflict(f"there is a router {router_id} already", code="router_exists", param="id", should_retry=False)
    if management.dry_run:
        if routers.get(router_id) is not None:
            raise exists
        return RouterChange(_view(management, record), False)
    try:
        rebuild = routers.put(record, change, expected=0)
    except RouterChanged:
        raise exists from None
    return RouterChange(_view(management, record), rebuild)


def change_router(
    management: Management,
    router_id: str,
    fields: Mapping[str, object],
    *,
    expected: int | None = None,
    reverts: AuditRecord | None = None,
    forecast: JsonFields | None = None,
) -> RouterChange:
    """Change a router as a merge patch (RFC 7396) says: null puts an option back to its default.

    `models` replaces the list; models that are left out stay, disabled, with what was learned of them. With `expected`
    only that revision is changed. `reverts` is the change that this one takes back, and `forecast` is kept with this
    one. Raises NotFound, OptionsError, RevisionConflict, Conflict.
    """
    routers, values = Routers(management.database), _with_models(fields)
    for _ in range(MOST_RETRIES):
        former = management.existing_router(router_id)
        if expected is not None and former.revision != expected:
            break
        options = {key: value for key, value in values.items() if key != "eval_ids"}
        changed = changed_router(former, options, management.catalog(), management.now)
        if "eval_ids" in values:
            changed = replace(changed, eval_ids=_known_evals(management, router_id, values["eval_ids"]))
        rebuild = half_lives_of(changed.settings) != half_lives_of(former.settings)
        warnings = [
            f"`{name}` is set by line {former.declared[name]} of the configuration file: the next start sets it again"
            for name in [*values, *(INSTEAD[given] for given in values if given in INSTEAD)]
            if name in former.declared
        ]
        change = management.change("router.update", router_id, audited(former), audited(changed), reverts, forecast)
        if management.dry_run or not (change.before or change.after):
            return RouterChange(_view(management, changed, warnings), rebuild)
        try:
            rebuild = routers.put(changed, change, expected=former.revision)
        except RouterChanged:
            continue
        return RouterChange(_view(management, management.existing_router(router_id), warnings), rebuild)
    raise _changed_meanwhile(router_id)


def rebuild_router(management: Management, router_id: str) -> None:
    """Recompute a router's statistics with its present half-lives."""
    rebuild_of(management.database).run(router_id)


def delete_router(management: Management, router_id: str, *, expected: int | None = None) -> None:
    """Delete a router. Its ledger stays for its `retention_days`; `restore_router` brings it back.

    Raises NotFound, RevisionConflict.
    """
    record = management.existing_router(router_id)
    if expected is not None and record.revision != expected:
        raise _changed_meanwhile(router_id)
    change = management.change("router.delete", router_id, audited(record), {})
    if management.dry_run:
        return
    if not Routers(management.database).delete(router_id, management.now, change, expected=expected):
        if expected is not None and Routers(management.database).get(router_id) is not None:
            raise _changed_meanwhile(router_id)
        raise NotFound(f"there is no router {router_id[:80]}", code="router_not_found")


def restore_router(management: Management, router_id: str) -> RouterView:
    """Bring a deleted router back as it was. Raises NotFound, Conflict."""
    routers = Routers(management.database)
    deleted = routers.deleted([router_id]) if management.sees(router_id) else []
    if not deleted:
        if management.sees(router_id) and routers.get(router_id) is not None:
            raise Conflict(f"router {router_id} is not deleted", code="router_exists", should_retry=False)
        raise NotFound(f"there is no deleted router {router_id[:80]}", code="router_not_found")
    if not management.dry_run:
        routers.restore(router_id, management.change("router.restore", router_id, {}, audited(deleted[0])))
        return get_router(management, router_id)
    return _view(management, deleted[0])


def _changed_meanwhile(router_id: str) -> RevisionConflict:
    return RevisionConflict(f"router {router_id} has changed since it was read: read it again, then change it")


def _with_models(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields with `models` for its other name, `enabled_models`. Raises BadRequest if both are given."""
    values = dict(fields)
    if "enabled_models" in values:
        if "models" in values:
            raise BadRequest("`models` and `enabled_models` say the same: give one of them", param="enabled_models")
        values["models"] = values.pop("enabled_models")
    return values


def audited(record: RouterRecord) -> JsonFields:
    """The fields of a router that the audit trail keeps: what a change can set."""
    models: list[Json] = [model_view(model).model_dump(exclude_none=True) for model in record.models]
    options = {key: value for key, value in record.settings.items() if key in OPTION_KEYS}
    eval_ids = None if record.eval_ids is None else list[Json](record.eval_ids)
    return {"name": record.name, "models": models, "eval_ids": eval_ids, **options}


def model_view(model: RouterModel) -> RouterModelView:
    """An arm of a router as the API shows it, and takes it back."""
    view = RouterModelView(id=model.arm_id, enabled=model.enabled, min_share=model.min_share, max_share=model.max_share)
    if (variant := model.variant) is not None:
        view.model, view.thinking, view.tier = model.model_id, variant.thinking, variant.tier
        view.params = {name: msgspec.json.decode(value) for name, value in variant.params}
    return view


def _known_evals(management: Management, router_id: str, eval_ids: object) -> tuple[str, ...] | None:
    """The ids of scorecards that exist and apply to the router; None: all of them. Raises BadRequest."""
    if eval_ids is None:
        return None
    if not isinstance(eval_ids, list) or not all(isinstance(eval_id, str) for eval_id in eval_ids):
        raise BadRequest("`eval_ids` must be a list of scorecards' ids, or null for all", param="eval_ids")
    known = {record.id for record in Evals(management.database).all() if record.router_id in {None, router_id}}
    for eval_id in eval_ids:
        if eval_id not in known:
            raise BadRequest(f"`eval_ids`: no scorecard {shown(eval_id)} applies to {router_id}", param="eval_ids")
    return tuple(dict.fromkeys(eval_ids))


def _view(management: Management, record: RouterRecord, warnings: Sequence[str] = ()) -> RouterView:
    return router_view(record, management.base_url, warnings)
