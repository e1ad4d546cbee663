"""The frame around every page: navigation, the state of the ledger, and who is signed in."""

from collections.abc import Collection
from dataclasses import dataclass

from gateway.dashboard.visit import Visit
from gateway.management.routers import list_router_names
from storage.errors import DatabaseUnavailable
from storage.writing.failover import State


@dataclass(frozen=True, slots=True)
class RouterLink:
    """A router in the navigation."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around a page. `page` is the current one's name, `router` the one whose pages are in the navigation.

    `topics` are those of `/events` at which the page is fetched again. `signed_in_as` is the label of the key.
    """

    page: str
    signed_in_as: str = ""
    may_change: bool = False
    routers: tuple[RouterLink, ...] = ()
    router: RouterLink | None = None
    findings: int = 0
    ledger_ok: bool = True
    spooled: int = 0
    topics: str = ""


def frame_of(visit: Visit, page: str, *, router_id: str | None = None, topics: Collection[str] = ()) -> Frame:
    """The frame of a page of a signed-in user. Without the database it names the routers by their ids."""
    links = _links(visit)
    standing = visit.standing
    return Frame(
        page=page,
        signed_in_as=visit.key.label,
        may_change=visit.may_change,
        routers=links,
        router=next((link for link in links if link.id == router_id), links[0] if links else None),
        findings=len(standing.problems) + len(standing.notes),
        ledger_ok=standing.ledger is State.OK,
        spooled=standing.spooled,
        topics=" ".join(("health", *topics)),
    )


def _links(visit: Visit) -> tuple[RouterLink, ...]:
    try:
        return tuple(RouterLink(id_, name) for id_, name in list_router_names(visit.management))
    except DatabaseUnavailable:
        return tuple(RouterLink(id_, id_) for id_ in sorted(visit.services.routers) if visit.management.sees(id_))
