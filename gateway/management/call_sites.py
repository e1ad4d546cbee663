"""Call sites of a router: list, rename."""

from pydantic import BaseModel

from gateway.errors import BadRequest, Conflict, NotFound
from gateway.management.context import Management
from gateway.settings.table_reader import shown
from gateway.tasks.classifier import TASK_NAMES
from storage.rows import clean
from storage.stores.tasks import NameTaken, Tasks

LONGEST_NAME = 64
"""Characters: a caller can state the name as its task."""

_RESERVED = frozenset({"other", *TASK_NAMES, *TASK_NAMES.values()})


class CallSiteView(BaseModel):
    """A call site. `id` is the class of its requests; `built_in` is the class that its statistics back off to."""

    id: str
    object: str = "call_site"
    name: str
    built_in: str
    last_used_at: float


def list_call_sites(management: Management, router_id: str) -> list[CallSiteView]:
    """A router's call sites, by name. Raises NotFound."""
    management.existing_router(router_id)
    rows = Tasks(management.database).of([router_id]).get(router_id, {})
    views = [
        CallSiteView(id=task, name=row.name or task, built_in=row.built_in, last_used_at=row.last_used_at)
        for task, row in rows.items()
        if row.built_in is not None
    ]
    return sorted(views, key=lambda view: (view.name, view.id))


def rename_call_site(management: Management, router_id: str, call_site_id: str, name: str) -> CallSiteView:
    """Call a call site otherwise: what was learned of it stays. Raises NotFound, BadRequest, Conflict."""
    views = {view.id: view for view in list_call_sites(management, router_id)}
    unknown = NotFound(f"router {router_id} has no call site {call_site_id[:80]}", code="call_site_not_found")
    if call_site_id not in views:
        raise unknown
    name = clean(name).strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise BadRequest(f"`name` must have 1 to {LONGEST_NAME} characters, not {len(name):,}", param="name")
    former, taken = views[call_site_id], f"another class of {router_id} is called {shown(name)}"
    change = management.change("call_site.rename", router_id, {call_site_id: former.name}, {call_site_id: name})
    if name in _RESERVED:
        raise Conflict(taken, code="name_taken", param="name", should_retry=False)
    if not management.dry_run and change.before != change.after:
        try:
            if not Tasks(management.database).rename(router_id, call_site_id, name, change):
                raise unknown
        except NameTaken:
            raise Conflict(taken, code="name_taken", param="name", should_retry=False) from None
    return former.model_copy(update={"name": name})
