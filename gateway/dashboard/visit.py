"""One request of a signed-in user: on whose behalf, and how this process is doing just then."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from bandit.quick import quick_dataclass
from bandit.types import LoopTime
from gateway.api_keys import require
from gateway.dashboard.session import Sessions
from gateway.management.context import Management
from gateway.routes.services import RouteServices, services_of
from storage.records import Actor, KeyRecord, Via
from storage.writing.failover import State


class SignedOut(Exception):
    """The request has no session: the sign-in page answers."""


@quick_dataclass(frozen=True, slots=True)
class Standing:
    """The state of this process, read on its event loop.

    `unavailable` are models that get no requests, with why, and `unavailable_arms` the routers' arms of these.
    `replicas` is how many processes serve the ledger.
    """

    problems: Sequence[str]
    notes: Sequence[str]
    remarks: Sequence[str]
    ledger: State
    queued: int
    spooled: int
    states: Mapping[str, tuple[str, str]]
    unavailable: Mapping[str, str]
    unavailable_arms: Mapping[str, str]
    loop_time: LoopTime
    replicas: int


@quick_dataclass(frozen=True, slots=True)
class Visit:
    """A page's request: what it may see and change, and where it gets that.

    `last_router` is the id of the router whose pages this browser has shown last; empty: none.
    """

    management: Management
    key: KeyRecord
    services: RouteServices
    standing: Standing
    last_router: str = ""

    @property
    def may_change(self) -> bool:
        """Whether the key may change things; one that may only read sees no forms."""
        return "admin" in self.key.scopes


def sessions_of(request: Request) -> Sessions:
    """The sessions of the gateway that serves this request."""
    sessions: Sessions = request.app.state.sessions
    return sessions


def is_secure(request: Request) -> bool:
    """Whether the browser reached us, or the proxy before us, by TLS."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"


def session_key(request: Request) -> KeyRecord | None:
    """The live key of the request's session."""
    now = services_of(request).clock()
    return sessions_of(request).key_of(request.cookies, now, secure=is_secure(request))


def last_router_cookie(request: Request) -> str:
    """The name of the cookie that keeps the id of the router whose pages this browser has shown last."""
    return f"{sessions_of(request).name(secure=is_secure(request))}_router"


def visit_of(request: Request) -> Visit | None:
    """The request of a signed-in user; None without a session. For the event loop."""
    services, key = services_of(request), session_key(request)
    if key is None:
        return None
    management = Management(
        database=services.database,
        catalog=lambda: services.configuration.configured.catalog,
        actor=Actor(Via.DASHBOARD, key.id, request.scope.get("request_id")),
        now=services.clock(),
        base_url=str(request.base_url).rstrip("/"),
        router_ids=key.routers,
        days=services.days,
    )
    return Visit(management, key, services, _standing(services), request.cookies.get(last_router_cookie(request), ""))


async def _reader(request: Request) -> Visit:
    visit = visit_of(request)
    if visit is None:
        raise SignedOut
    return visit


async def _administrator(request: Request) -> Visit:
    visit = await _reader(request)
    require(visit.key, ("admin",))
    return visit


Reader: TypeAlias = Annotated[Visit, Depends(_reader)]
"""A page for a session whose key may read."""
Administrator: TypeAlias = Annotated[Visit, Depends(_administrator)]
"""A form of a session whose key may change things."""


def _standing(services: RouteServices) -> Standing:
    loop_time = LoopTime(asyncio.get_running_loop().time())
    cooldowns, recorder, readiness = services.model_states.cooldowns, services.recorder, services.readiness
    models = {arm_id: model.id for live in services.routers.values() for arm_id, model in live.models.items()}
    parked = cooldowns.parked()
    # The breaker lets a probe through to a parked model now and then; until it has answered, nothing is mended.
    reasons = {
        model_id: f"parked: {parked[model_id]}" if model_id in parked else cooldowns.reason(model_id, loop_time)
        for model_id in sorted({*models.values()})
    }
    return Standing(
        problems=readiness.problems(),
        notes=readiness.notes(),
        remarks=readiness.remarks,
        ledger=recorder.state,
        queued=recorder.queued,
        spooled=recorder.spooled,
        states=cooldowns.states(),
        unavailable={model_id: reason for model_id, reason in reasons.items() if reason is not None},
        unavailable_arms={arm_id: why for arm_id, id_ in models.items() if (why := reasons[id_]) is not None},
        loop_time=loop_time,
        replicas=services.replica_count(),
    )
