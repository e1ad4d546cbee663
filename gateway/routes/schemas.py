"""The OpenAPI schemas of bodies that FastAPI does not parse: completions and feedback."""

from typing import Any

_ERROR = {"description": "The error, in OpenAI's shape"}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers with these statuses as a route's documentation takes them."""
    return dict.fromkeys(statuses, _ERROR)


def _routed(
    summary: str, operation_id: str, answer: str, required: list[str], fields: dict[str, Any]
) -> dict[str, Any]:
    """The OpenAPI item of a call that is answered by the model that a router chooses."""
    routing = {
        "instructions": {"type": "string", "maxLength": 4000},
        "max_usd": {"type": "number", "exclusiveMinimum": 0},
        "episode_id": {"type": "string", "minLength": 1, "maxLength": 128},
    }
    known = {
        "model": {"const": "dari/routing"},
        "stream": {"type": "boolean"},
        "routing": {"type": "object", "additionalProperties": False, "properties": routing},
    }
    body = {"type": "object", "required": required, "additionalProperties": True, "properties": known | fields}
    router_id = {"type": "string", "pattern": "^rtr_[A-Za-z0-9_-]{1,64}$"}
    return {
        "post": {
            "summary": summary,
            "operationId": operation_id,
            "parameters": [{"name": "router_id", "in": "path", "required": True, "schema": router_id}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {
                "200": {"description": answer},
                **{str(status): _ERROR for status in (400, 401, 403, 404, 409, 413, 415, 422, 429, 502, 503, 504)},
            },
        }
    }


ROUTED_PATHS: dict[str, dict[str, Any]] = {
    "/{router_id}/chat/completions": _routed(
        "Answer with the model that the router chooses",
        "create_completion",
        "An OpenAI completion with `dari_routing`, or an event stream of its chunks",
        ["model", "messages"],
        {"messages": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
    ),
    "/{router_id}/responses": _routed(
        "The same by OpenAI's Responses API, stateless",
        "create_response",
        "An OpenAI response with `dari_routing`, or an event stream",
        ["model", "input"],
        {
            "input": {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "object"}}]},
            "instructions": {"type": "string"},
            "store": {"const": False},
        },
    ),
}

FEEDBACK_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "oneOf": [
                        {"required": ["completion_id"]},
                        {"required": ["episode_id"]},
                        {"required": ["preferred", "rejected"]},
                    ],
                    "properties": {
                        "completion_id": {"type": "string"},
                        "episode_id": {"type": "string", "minLength": 1, "maxLength": 128},
                        "preferred": {"type": "string"},
                        "rejected": {"type": "string"},
                        "score": {"type": "number"},
                        "scale": {
                            "type": "array",
                            "items": {"type": "number"},
                            "minItems": 2,
                            "maxItems": 2,
                            "default": [0, 1],
                        },
                        "thumb": {"enum": ["up", "down"]},
                        "source": {"type": "string", "maxLength": 32},
                        "comment": {"type": "string"},
                        "metadata": {"type": "object"},
                    },
                }
            }
        },
    },
}
