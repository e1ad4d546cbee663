"""GET /admin/health: what is broken, where, and what to do."""

from gateway.management.health import HealthView, get_health
from gateway.routes.admin.calls import Reader, api_router

router = api_router("/admin", "health")


@router.get("/health")
def get_findings(management: Reader) -> HealthView:
    """Findings of all processes, the most severe first, with remedies, and the processes themselves."""
    return get_health(management)
