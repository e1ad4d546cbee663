"""GET /{router_id}/models: the models that an OpenAI client lists."""

from typing import Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from gateway.completions.request import REQUESTED_MODEL
from gateway.errors import NotFound
from gateway.routes.authentication import BEARER, authorization_of
from gateway.routes.schemas import refusals
from gateway.routes.services import json_response, services_of
from gateway.routing.router import LiveRouter
from storage.records import KeyRecord

router = APIRouter(dependencies=[Depends(BEARER)])


class OfferedModel(BaseModel):
    """A model as OpenAI's list has it. `requestable`: whether a request may name it as its `model`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "dari/routing",
                    "object": "model",
                    "created": 1_764_000_000,
                    "owned_by": "dari",
                    "requestable": True,
                }
            ]
        }
    )

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    requestable: bool


class OfferedModels(BaseModel):
    """The models of a router, `dari/routing` first."""

    object: Literal["list"]
    data: list[OfferedModel]


@router.get("/{router_id}/models", response_model=OfferedModels, responses=refusals(401, 403, 404))
@router.get("/{router_id}/v1/models", include_in_schema=False)
async def list_models(router_id: str, request: Request) -> Response:
    """`dari/routing` first, which is what requests name, then the router's enabled models."""
    return json_response({"object": "list", "data": _models(*_authenticated(request, router_id))})


@router.get("/{router_id}/models/{model:path}", response_model=OfferedModel, responses=refusals(401, 403, 404))
@router.get("/{router_id}/v1/models/{model:path}", include_in_schema=False)
async def get_model(router_id: str, model: str, request: Request) -> Response:
    """One model of the router."""
    for entry in _models(*_authenticated(request, router_id)):
        if entry["id"] == model:
            return json_response(entry)
    raise NotFound(f"router {router_id} has no enabled model {model[:80]!r}", code="model_not_found", param="model")


def _authenticated(request: Request, router_id: str) -> tuple[KeyRecord, LiveRouter]:
    return services_of(request).flow.authenticate(authorization_of(request), router_id)


def _models(key: KeyRecord, live: LiveRouter) -> list[dict[str, object]]:
    """The entries of the list, of models that the key may use. `requestable`: whether `model` may name it."""
    created = int(live.created_at)
    usable = (model for arm_id, model in live.models.items() if key.limits.allow(arm_id, model.id))
    listed = dict([(REQUESTED_MODEL, "dari"), *((model.id, model.provider) for model in usable)])
    return [
        {
            "id": model_id,
            "object": "model",
            "created": created,
            "owned_by": owner,
            "requestable": model_id == REQUESTED_MODEL,
        }
        for model_id, owner in listed.items()
    ]
