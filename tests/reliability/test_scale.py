"""The benchmark of a large ledger asks all that can be read of it."""

import inspect

from fastapi import APIRouter
from fastapi.routing import APIRoute

from gateway.dashboard import routes as pages
from gateway.routes import admin
from tests.reliability.scale.calls import API, PAGES

_NOT_A_QUERY = {
    "/admin/routers/{router_id}/evaluation",  # questions to the log, of up to 100,000 requests, may take longer
    "/admin/routers/{router_id}/experiment",
    "/admin/routers/{router_id}/frontier",
    "/routers/{router_id}/what-if/answer",
    "/assets/{digest}/{name}",
    "/events",
    "/sign-in",
}


def test_every_get_of_the_management_api_and_every_page_is_measured() -> None:
    modules = [module for room in (admin, pages) for _, module in inspect.getmembers(room, inspect.ismodule)]
    routers = [module.router for module in modules if isinstance(getattr(module, "router", None), APIRouter)]
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    read = [route for route in routes if "GET" in (route.methods or ())]
    asked = [path.partition("?")[0] for path in (*API.values(), *PAGES.values())]
    assert len(read) > 30
    assert {route.path for route in read if not any(map(route.path_regex.match, asked))} == _NOT_A_QUERY
