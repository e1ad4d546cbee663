"""The dashboard's pages and forms, one module per page."""

from fastapi import APIRouter

from gateway.dashboard.routes import assets, changes, decisions, events, health, keys, overview, routers, sign_in

router = APIRouter(include_in_schema=False)
for page in (assets, events, sign_in, overview, health, routers, decisions, keys, changes):
    router.include_router(page.router)
