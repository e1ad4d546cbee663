"""The dashboard's pages and forms, one module per page."""

from fastapi import APIRouter

from gateway.dashboard.routes import (
    assets,
    changes,
    decisions,
    evals,
    events,
    health,
    keys,
    models,
    overview,
    routers,
    settings,
    sign_in,
    what_if,
)
from gateway.routes.joining import join

PAGES = (
    assets,
    events,
    sign_in,
    overview,
    health,
    settings,  # before the routers' page: /routers/new is no router
    routers,
    what_if,
    decisions,
    keys,
    models,
    evals,
    changes,
)

router = APIRouter()
join(router, (page.router for page in PAGES))
