"""The collaborators that routes get by name, and JSON responses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bandit.types import Epoch
from gateway.analyst.client import Analyst
from gateway.api_keys import Keyring
from gateway.configuration import Configuration
from gateway.errors import GatewayError
from gateway.flow import Flow
from gateway.readiness import Readiness
from gateway.recorder import Recorder
from gateway.routing.model_states import ModelStates
from gateway.routing.router import LiveRouter
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.gauges import Gauges
from gateway.turns import Turns
from storage.database.engine import Database
from storage.stores.day_sums import DaySums
from storage.stores.ledger import Ledger


@dataclass(frozen=True, slots=True)
class RouteServices:
    """The collaborators of the routes; set when the gateway starts."""

    flow: Flow
    keyring: Keyring
    routers: Mapping[str, LiveRouter]
    ledger: Ledger
    gauges: Gauges
    exposition: Exposition
    clock: Callable[[], Epoch]
    model_states: ModelStates
    database: Database
    days: DaySums | None
    readiness: Readiness
    recorder: Recorder
    configuration: Configuration
    reload_others: Callable[[], None]
    analyst: Analyst
    turns: Turns
    replica_count: Callable[[], int]


def services_of(request: Request) -> RouteServices:
    """The services of the gateway that serves this request."""
    services: RouteServices = request.app.state.services
    return services


def json_response(content: object, status: int = 200) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def error_response(error: GatewayError) -> Response:
    """An error as every call of the API tells it."""
    headers = {key.decode(): value.decode() for key, value in error.headers()}
    return Response(error.body(), error.status, headers=headers, media_type="application/json")
