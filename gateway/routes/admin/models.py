"""/admin/models: what the catalog knows, and ending a cooldown."""

import asyncio

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from gateway.management.models import ModelView, list_models, resume_model
from gateway.routes.admin.calls import Administrator, Listed, Reader, answer, api_router
from gateway.routes.admin.idempotency import IdempotentRoute
from gateway.routes.services import services_of

router = api_router("/admin", "models", IdempotentRoute)


class Resumed(BaseModel):
    """A model that is tried again."""

    id: str
    resumed: bool = True


@router.get("/models")
def get_models(management: Reader) -> Listed[ModelView]:
    """All configured models: provider, prices, limits, abilities, and the routers that use them."""
    return Listed(data=list_models(management))


@router.post("/models/{model_id:path}/resume", response_model=Resumed)
async def post_resumption(request: Request, management: Administrator, model_id: str) -> Response:
    """Try a parked or cooling model again at once, in all processes: its cause is fixed."""
    await asyncio.to_thread(resume_model, management, model_id)
    if not management.dry_run:
        services_of(request).model_states.resume(model_id)  # at once here; the others follow within seconds
    return answer(Resumed(id=model_id))
