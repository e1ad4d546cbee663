"""What the routes share: the parts of the gateway that they use, and how JSON goes out."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from fastapi import Request
from fastapi.responses import Response

from gateway.flow import Flow
from storage.stores.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Parts:
    """What routes work with; there from the gateway's start on.

    `problems` tells what keeps it from serving, `notes` what an operator should mend though it serves.
    """

    flow: Flow
    ledger: Ledger
    problems: Callable[[], list[str]]
    notes: Callable[[], list[str]]


def parts_of(request: Request) -> Parts:
    """The parts of the gateway that serves this request."""
    parts: Parts = request.app.state.parts
    return parts


def json_response(content: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")
