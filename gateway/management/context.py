"""What every management call works with, and on whose behalf."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bandit.types import Json
from gateway.catalog.catalog import Catalog, Model
from gateway.errors import Conflict, NotFound
from gateway.ids import new_id
from storage.database.engine import Database
from storage.records import Actor, AuditRecord, RouterRecord
from storage.stores.activity import Activity
from storage.stores.day_sums import DaySums
from storage.stores.routers import Routers

JsonFields: TypeAlias = Mapping[str, Json]
"""Fields of a resource by name."""


@dataclass(frozen=True, slots=True)
class Management:
    """The collaborators of one call. `router_ids` are the routers that its actor may see; None: all.

    `catalog` returns the catalog, which takes time to make and which few calls need. `declared_routers` are those of
    the configuration file, which the first start will create. With `dry_run` everything is checked and nothing is
    changed: the answer is what would be. `days` keeps sums of days from call to call.
    """

    database: Database
    catalog: Callable[[], Catalog]
    actor: Actor
    now: float
    base_url: str
    router_ids: tuple[str, ...] | None = None
    declared_routers: Collection[str] = ()
    dry_run: bool = False
    days: DaySums | None = None

    @property
    def activity(self) -> Activity:
        """What happened."""
        return Activity(self.database, self.days)

    def sees(self, router_id: str) -> bool:
        """Whether the actor may see this router."""
        return self.router_ids is None or router_id in self.router_ids

    def known_models(self, routers: Iterable[RouterRecord]) -> dict[str, Model]:
        """All configured models, and those that these routers name and that can be used as things are configured."""
        catalog = self.catalog()
        named = {model.model_id: catalog.get(model.model_id) for record in routers for model in record.models}
        used = {model_id: model for model_id, model in named.items() if model is not None}
        return {model.id: model for model in catalog.configured()} | used

    def existing_router(self, router_id: str) -> RouterRecord:
        """The router of this id. Raises NotFound, which names those that there are."""
        routers = Routers(self.database)
        record = routers.get(router_id) if self.sees(router_id) else None
        if record is None:
            known = ", ".join(each.id for each in routers.all() if self.sees(each.id)) or "none"
            raise NotFound(f"there is no router {router_id[:80]}; there are {known}", code="router_not_found")
        return record

    def change(
        self,
        action: str,
        target: str,
        before: JsonFields,
        after: JsonFields,
        reverts: AuditRecord | None = None,
        forecast: JsonFields | None = None,
    ) -> AuditRecord:
        """The record of a change for the audit trail: of the fields `before` and `after` it keeps those that differ.

        `reverts` is the change that this one takes back, `forecast` what is expected of this one. Raises Conflict if
        `before` is not what the one that it takes back left.
        """
        if reverts is not None:
            moved = [name for name in (*reverts.before, *reverts.after) if before.get(name) != reverts.after.get(name)]
            if moved:
                raise Conflict(
                    f"`{moved[0]}` has changed again since {reverts.id}", code="changed_since", should_retry=False
                )
        names = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
        return AuditRecord(
            id=new_id("chg", self.now),
            at=self.now,
            actor=self.actor,
            action=action,
            target=target,
            before={name: before[name] for name in names if name in before},
            after={name: after[name] for name in names if name in after},
            reverts=None if reverts is None else reverts.id,
            forecast=forecast,
        )
