"""GET /docs and /openapi.json: the API's documentation, without resources from other hosts."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from gateway.routes.authentication import require_admin_or_local
from gateway.routes.services import json_response

ASSETS = StaticFiles(packages=[("fastapi_swagger", "resources")])
"""Swagger UI's files from its package; FastAPI's own page would load them from a CDN."""

ASSETS_PATH = "/docs/assets"

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bandit Gateway</title>
<link rel="icon" href="{{root}}{ASSETS_PATH}/favicon-32x32.png">
<link rel="stylesheet" href="{{root}}{ASSETS_PATH}/swagger-ui.css">
</head>
<body>
<main id="documentation" data-url="{{root}}/openapi.json"></main>
<script src="{{root}}{ASSETS_PATH}/swagger-ui-bundle.js"></script>
<script src="{{root}}/docs/start.js"></script>
</body>
</html>
"""

_SCRIPT = """\
"use strict";
const place = document.getElementById("documentation");
SwaggerUIBundle({ domNode: place, url: place.dataset.url, deepLinking: true });
"""

_HEADERS = {
    # Swagger UI sets styles of elements, and has its icons in its style sheet.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The documentation as a page."""
    require_admin_or_local(request)
    return HTMLResponse(_PAGE.format(root=request.scope["root_path"]), headers=_HEADERS)


@router.get("/docs/start.js")
async def start(request: Request) -> Response:
    """The script that starts Swagger UI: one in the page would need a weaker Content-Security-Policy."""
    require_admin_or_local(request)
    return Response(_SCRIPT, media_type="text/javascript", headers=_HEADERS)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The documentation as an OpenAPI document."""
    require_admin_or_local(request)
    root = request.scope["root_path"]
    servers = {"servers": [{"url": root}]} if root else {}
    return json_response({**request.app.openapi(), **servers})
