"""…/api-keys: list, create and revoke API keys."""

from typing import Annotated, Literal

from fastapi import Body
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.management.api_keys import ApiKeyView, create_api_key, list_api_keys, revoke_api_key
from gateway.routes.admin.calls import Administrator, Reader, answer
from gateway.routes.organizations.calls import organization_router
from gateway.routes.organizations.values import instant, instant_if

router = organization_router()


class OrganizationApiKey(BaseModel):
    """An API key; `api_key` is its secret, in the answer to its creation alone."""

    id: str
    label: str
    key_type: str
    prefix: str | None
    created_at: str
    last_used_at: str | None
    expires_at: str | None
    revoked_at: str | None
    api_key: str | None = None


class OrganizationApiKeys(BaseModel):
    """All keys, the oldest first; revoked ones too."""

    api_keys: list[OrganizationApiKey]


class OrganizationApiKeyBody(BaseModel):
    """A key to create."""

    model_config = ConfigDict(extra="forbid", strict=True)

    label: str = Field(max_length=200)
    key_type: Literal["management", "routing"] = "management"


@router.get("/api-keys", response_model=OrganizationApiKeys)
def get_api_keys(management: Reader) -> Response:
    """All keys, the oldest first; revoked ones too."""
    return answer(OrganizationApiKeys(api_keys=[_shown(each) for each in list_api_keys(management)]))


@router.post("/api-keys", status_code=201, response_model=OrganizationApiKey)
def post_api_key(management: Administrator, body: Annotated[OrganizationApiKeyBody, Body()]) -> Response:
    """Create a key."""
    return answer(_shown(create_api_key(management, body.model_dump())), 201)


@router.delete("/api-keys/{key_id}", response_model=OrganizationApiKey)
def delete_api_key(management: Administrator, key_id: str) -> Response:
    """Revoke a key for good."""
    return answer(_shown(revoke_api_key(management, key_id)))


def _shown(view: ApiKeyView) -> OrganizationApiKey:
    return OrganizationApiKey(
        id=view.id,
        label=view.label,
        key_type=view.key_type,
        prefix=view.prefix,
        created_at=instant(view.created_at),
        last_used_at=instant_if(view.last_used_at),
        expires_at=instant_if(view.expires_at),
        revoked_at=instant_if(view.revoked_at),
        api_key=view.secret,
    )
