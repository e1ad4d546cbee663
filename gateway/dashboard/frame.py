"""The frame around every page: navigation, the state of the ledger, and who is signed in."""

from collections.abc import Collection

from bandit.quick import quick_dataclass
from gateway.dashboard.visit import Visit
from gateway.management.routers import list_router_names
from storage.errors import DatabaseUnavailable
from storage.writing.failover import State


@quick_dataclass(frozen=True, slots=True)
class RouterLink:
    """A router in the navigation."""

    id: str
    name: str


@quick_dataclass(frozen=True, slots=True)
class Frame:
    """What is around a page. `page` is the current one's name, `router` the one whose pages are in the navigation.

    `topics` are those of `/events` at which the page is fetched again. `signed_in_as` is the label of the key.
    `is_away`: it is shown in place of a page that can't be answered now.
    `keeps_router`: the pages of the whole gateway that come next have this router in their navigation, too.
    """

    page: str
    signed_in_as: str = ""
    may_change: bool = False
    routers: tuple[RouterLink, ...] = ()
    router: RouterLink | None = None
    findings: int = 0
    ledger_ok: bool = True
    spooled: int = 0
    replicas: int = 1
    topics: str = ""
    keeps_router: bool = False
    is_away: bool = False


def frame_of(
    visit: Visit,
    page: str,
    *,
    router_id: str | None = None,
    topics: Collection[str] = (),
    is_database_away: bool = False,
) -> Frame:
    """The frame of a page of a signed-in user. Without the database it names the routers by their ids.

    A page of no router has the one in its navigation whose pages were shown last, else the first one.
    """
    links = _ids(visit) if is_database_away else _links(visit)
    standing = visit.standing
    by_id = {link.id: link for link in links}
    first = links[0] if links else None
    return Frame(
        page=page,
        signed_in_as=visit.key.label,
        may_change=visit.may_change,
        routers=links,
        router=by_id.get(router_id or "", by_id.get(visit.last_router, first)),
        findings=len(standing.problems) + len(standing.notes),
        ledger_ok=standing.ledger is State.OK,
        spooled=standing.spooled,
        replicas=standing.replicas,
        topics=" ".join(("health", *topics)),
        keeps_router=router_id in by_id,
    )


def _links(visit: Visit) -> tuple[RouterLink, ...]:
    try:
        return tuple(RouterLink(id_, name) for id_, name in list_router_names(visit.management))
    except DatabaseUnavailable:
        return _ids(visit)


def _ids(visit: Visit) -> tuple[RouterLink, ...]:
    return tuple(RouterLink(id_, id_) for id_ in sorted(visit.services.routers) if visit.management.sees(id_))
