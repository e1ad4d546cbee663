"""/admin/api-keys: list, create, show, change, rotate and revoke API keys."""

from typing import Annotated, Any

from fastapi import Body, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.management.api_keys import (
    ApiKeyView,
    change_api_key,
    create_api_key,
    get_api_key,
    list_api_keys,
    page_of_api_keys,
    revoke_api_key,
    rotate_api_key,
)
from gateway.management.key_limits import LimitsView
from gateway.routes.admin.calls import (
    Administrator,
    Cursor,
    IfMatch,
    Listed,
    Reader,
    answer,
    api_router,
    expected_tag,
    no_content,
)
from gateway.routes.admin.idempotency import IdempotentRoute
from storage.stores.decisions import MOST_IN_A_PAGE

router = api_router("/admin", "API keys", IdempotentRoute)


class LimitsPatch(LimitsView):
    """Limits to set. Those that are left out stay; null takes a limit away."""

    model_config = ConfigDict(extra="forbid", strict=True)

    requests_per_minute: int | None = Field(None, description="At least 1.")
    tokens_per_minute: int | None = Field(None, description="Prompt and completion; at least 1.")
    usd_per_day: float | None = Field(None, description="More than 0, for a UTC day.")
    usd_per_month: float | None = Field(None, description="More than 0, for a UTC month.")
    models: list[str] | None = Field(None, description="The models it may be answered by; null: all.")
    tasks: list[str] | None = Field(None, description="The classes its requests may be of; null: all.")


class ApiKeyPatch(BaseModel):
    """The fields of a key. In a change, those that are left out stay; `expires_at` null: it never ends."""

    model_config = ConfigDict(extra="forbid", strict=True)

    label: str | None = Field(None, max_length=200)
    scopes: list[str] | None = None
    key_type: str | None = Field(None, description="`management` or `routing`, in place of `scopes`.")
    routers: list[str] | None = Field(None, description="The routers that it may use; null: all.")
    expires_at: float | None = Field(None, description="Seconds since the epoch.")
    limits: LimitsPatch | None = Field(None, description="A merge patch; null: none at all.")


class NewApiKey(ApiKeyPatch):
    """A key to create: `label`, and `scopes` or `key_type`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"label": "support bot", "scopes": ["routing"], "limits": {"usd_per_day": 5.0}}]
        }
    )


class Rotation(BaseModel):
    """How long the former key still works beside its successor."""

    model_config = ConfigDict(extra="forbid", strict=True)

    overlap_seconds: float = 3_600.0


@router.get("/api-keys", response_model=Listed[ApiKeyView])
def get_api_keys(
    management: Reader,
    limit: Annotated[int | None, Query(ge=1, le=MOST_IN_A_PAGE, description="How many at most; default: all.")] = None,
    cursor: Cursor = None,
) -> Response:
    """The keys, the oldest first; revoked and expired ones too. With `limit` or `cursor`, a page of them."""
    if limit is None and cursor is None:
        return answer(Listed(data=list_api_keys(management)))
    keys, following = page_of_api_keys(management, limit or MOST_IN_A_PAGE, cursor)
    return answer(Listed(data=keys, next_cursor=following))


@router.post("/api-keys", status_code=201, response_model=ApiKeyView)
def post_api_key(management: Administrator, body: Annotated[NewApiKey, Body()]) -> Response:
    """Create a key. `secret` is shown in this answer alone."""
    made = create_api_key(management, _given(body))
    return answer(made, 201, revision=made.tag, location=f"/admin/api-keys/{made.id}")


@router.get("/api-keys/{key_id}", response_model=ApiKeyView)
def get_one_api_key(management: Reader, key_id: str) -> Response:
    """One key; its ETag names its present state, whatever it has used."""
    found = get_api_key(management, key_id)
    return answer(found, revision=found.tag)


@router.patch("/api-keys/{key_id}", response_model=ApiKeyView)
def patch_api_key(
    management: Administrator, key_id: str, body: Annotated[ApiKeyPatch, Body()], if_match: IfMatch = None
) -> Response:
    """Change a key's label, scopes, routers, end or limits."""
    changed = change_api_key(management, key_id, _given(body), expected=expected_tag(if_match))
    return answer(changed, revision=changed.tag)


@router.post("/api-keys/{key_id}/rotate", status_code=201, response_model=ApiKeyView)
def post_rotation(management: Administrator, key_id: str, body: Annotated[Rotation | None, Body()] = None) -> Response:
    """Create a key like this one, which itself ends after the overlap."""
    made = rotate_api_key(management, key_id, (body or Rotation()).overlap_seconds)
    return answer(made, 201, revision=made.tag, location=f"/admin/api-keys/{made.id}")


@router.delete("/api-keys/{key_id}", status_code=204)
def delete_api_key(management: Administrator, key_id: str, if_match: IfMatch = None) -> Response:
    """Revoke a key for good. Running gateways follow within seconds."""
    revoke_api_key(management, key_id, expected=expected_tag(if_match))
    return no_content()


def _given(body: ApiKeyPatch) -> dict[str, Any]:
    return body.model_dump(exclude_unset=True)
