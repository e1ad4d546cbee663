"""/admin/routers/{id}/experiment: the parts of an experiment beside one another."""

from gateway.management.experiments import ComparedExperiment, compare_experiment
from gateway.routes.admin.calls import Days, Reader, api_router

router = api_router("/admin", "decisions")


@router.get("/routers/{router_id}/experiment")
def get_experiment(management: Reader, router_id: str, days: Days = 30.0) -> ComparedExperiment:
    """What the parts of a router's experiment, else of its latest one, cost and scored, with 95 % intervals."""
    return compare_experiment(management, router_id, days)
