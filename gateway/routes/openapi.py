"""The OpenAPI document: what FastAPI finds out by itself, made true and complete."""

from typing import Any

from gateway.routes.admin.evals import NewEval
from gateway.routes.organizations.calls import PREFIX
from gateway.routes.schemas import ROUTED_PATHS, ErrorBody, schemas_of

_OF_CHANGES = ("409", "412", "413", "415", "422")
"""Statuses that a GET of the management API does not answer."""


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the routes that are answered before FastAPI, and leave out answers that are never given."""
    document["paths"] |= ROUTED_PATHS
    document["components"]["schemas"] |= schemas_of(NewEval) | schemas_of(ErrorBody)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            answers = operation["responses"]
            if method == "get" and path.startswith(("/admin/", f"{PREFIX}/")):
                for status in _OF_CHANGES:
                    answers.pop(status, None)
            if "HTTPValidationError" in str(answers.get("422")):  # FastAPI's own: ours are 400
                del answers["422"]
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document
