"""GET /docs and /openapi.json: the API's documentation, without resources from other hosts."""

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles

from gateway.routes.authentication import require_admin_or_local
from gateway.routes.services import json_response

ASSETS = StaticFiles(packages=[("fastapi_swagger", "resources")])
"""Swagger UI's files from its package; FastAPI's own page would load them from a CDN."""

ASSETS_PATH = "/docs/assets"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The documentation as a page."""
    require_admin_or_local(request)
    root = request.scope["root_path"]
    return get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Bandit Gateway",
        swagger_js_url=f"{root}{ASSETS_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{ASSETS_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{root}{ASSETS_PATH}/favicon-32x32.png",
    )


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The documentation as an OpenAPI document."""
    require_admin_or_local(request)
    root = request.scope["root_path"]
    servers = {"servers": [{"url": root}]} if root else {}
    return json_response({**request.app.openapi(), **servers})
