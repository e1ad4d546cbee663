"""What the routes share: where the gateway is, and how JSON goes out."""

from typing import TYPE_CHECKING

import msgspec
from fastapi import Request
from fastapi.responses import Response

if TYPE_CHECKING:
    from gateway.app import Gateway


def gateway_of(request: Request) -> "Gateway":
    """The gateway that serves this request."""
    gateway: Gateway = request.app.state.gateway
    return gateway


def json_response(content: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")
