"""GET /assets/{hash}/{name}: what the browser loads, to be kept for ever."""

from fastapi.responses import Response

from gateway.dashboard.assets import MEDIA_TYPES, read_assets
from gateway.dashboard.pages import page_router
from gateway.errors import NotFound

router = page_router()


@router.get("/assets/{digest}/{name}")
def asset(digest: str, name: str) -> Response:
    """A file of these assets; those of another version are not found, rather than mixed."""
    assets = read_assets()
    if digest != assets.digest or name not in assets.contents:
        raise NotFound("there is no such file: load the page again")
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(assets.contents[name], headers=headers, media_type=media_type)
