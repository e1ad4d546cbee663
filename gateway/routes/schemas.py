"""The OpenAPI schemas of bodies that FastAPI does not parse: completions and feedback."""

from typing import Any

_ERROR = {"description": "The error, in OpenAI's shape"}

COMPLETIONS_PATH = "/{router_id}/chat/completions"
COMPLETIONS_SCHEMA: dict[str, Any] = {
    "post": {
        "summary": "Answer with the model that the router chooses",
        "operationId": "create_completion",
        "parameters": [
            {
                "name": "router_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^rtr_[A-Za-z0-9_-]{1,64}$"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["model", "messages"],
                        "additionalProperties": True,
                        "properties": {
                            "model": {"const": "dari/routing"},
                            "messages": {"type": "array", "minItems": 1, "items": {"type": "object"}},
                            "stream": {"type": "boolean"},
                            "routing": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {"instructions": {"type": "string", "maxLength": 4000}},
                            },
                        },
                    }
                }
            },
        },
        "responses": {
            "200": {"description": "An OpenAI completion with `dari_routing`, or an event stream of its chunks"},
            **{str(status): _ERROR for status in (400, 401, 403, 404, 409, 413, 415, 422, 429, 502, 503, 504)},
        },
    }
}

FEEDBACK_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["completion_id"],
                    "properties": {
                        "completion_id": {"type": "string"},
                        "score": {"type": "number", "minimum": 0, "maximum": 1},
                        "thumb": {"enum": ["up", "down"]},
                        "source": {"type": "string", "maxLength": 32, "default": "user"},
                        "comment": {"type": "string"},
                        "metadata": {"type": "object"},
                    },
                }
            }
        },
    },
}
