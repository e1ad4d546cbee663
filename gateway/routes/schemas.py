"""The OpenAPI schemas of errors, and of bodies that FastAPI does not parse: completions and feedback."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """One of several mistakes."""

    param: str | None
    message: str


class ErrorDetail(BaseModel):
    """The error, in OpenAI's shape. `problems` is there if there are several mistakes."""

    message: str
    type: str
    param: str | None
    code: str | None
    problems: list[Problem] | None = None


class ErrorBody(BaseModel):
    """The body of every answer that is no success."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "message": "there is no router rtr_x; there are rtr_default",
                        "type": "not_found_error",
                        "code": "router_not_found",
                    }
                }
            ]
        }
    )

    error: ErrorDetail


def schemas_of(body: type[BaseModel]) -> dict[str, Any]:
    """The schemas, by name, of a body that FastAPI has no field of: its own, and those of its parts."""
    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), body.__name__: schema}


def error(description: str) -> dict[str, Any]:
    """An error as a route's documentation takes it. Of a `model` FastAPI would build a field for each route: 0.2 s."""
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
    }


_ERROR = error("The error, in OpenAI's shape")


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers with these statuses as a route's documentation takes them."""
    return dict.fromkeys(statuses, _ERROR)


_ROUTED_STATUSES = ("400", "401", "403", "404", "409", "413", "415", "422", "429", "500", "502", "503", "504")


_ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["id", "object", "model", "dari_routing"],
    "properties": {
        "id": {"type": "string"},
        "object": {"type": "string"},
        "model": {"type": "string"},
        "usage": {"type": ["object", "null"]},
        "dari_routing": {
            "type": "object",
            "required": ["requested_model", "selected_model", "reason"],
            "properties": {
                "requested_model": {"const": "dari/routing"},
                "selected_model": {"type": "string"},
                "reason": {"type": "string"},
            },
        },
    },
}


def _routed(
    summary: str, operation_id: str, answer: str, fields: dict[str, Any], required: list[str], example: dict[str, Any]
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
    body: dict[str, Any] = {
        "type": "object",
        "required": required,
        "additionalProperties": True,
        "properties": known | fields,
        "examples": [example],
    }
    router_id = {"type": "string", "pattern": "^rtr_[A-Za-z0-9_-]{1,64}$"}
    return {
        "post": {
            "summary": summary,
            "operationId": operation_id,
            "parameters": [{"name": "router_id", "in": "path", "required": True, "schema": router_id}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "security": [{"HTTPBearer": []}],
            "responses": {
                "200": {
                    "description": answer,
                    "content": {
                        "application/json": {"schema": _ANSWER},
                        "text/event-stream": {"schema": {"type": "string"}},
                    },
                },
                **dict.fromkeys(_ROUTED_STATUSES, _ERROR),
            },
        }
    }


ROUTED_PATHS: dict[str, dict[str, Any]] = {
    "/{router_id}/chat/completions": _routed(
        "Answer with the model that the router chooses",
        "create_completion",
        "An OpenAI completion with `dari_routing`, or an event stream of its chunks",
        {"messages": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
        ["model", "messages"],
        {"model": "dari/routing", "messages": [{"role": "user", "content": "Hello"}]},
    ),
    "/{router_id}/responses": _routed(
        "The same by OpenAI's Responses API, stateless",
        "create_response",
        "An OpenAI response with `dari_routing`, or an event stream",
        {
            "input": {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "object"}}]},
            "instructions": {"type": "string"},
            "store": {"const": False},
        },
        ["model", "input"],
        {"model": "dari/routing", "input": "Hello"},
    ),
}

_COMPLETION_ID = {"type": "string", "pattern": "^(chatcmpl-|resp_)?req_[0-9a-f]{32}$"}
_FEEDBACK_ITEM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "completion_id": _COMPLETION_ID,
        "episode_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "preferred": _COMPLETION_ID,
        "rejected": _COMPLETION_ID,
        "score": {"type": "number", "description": "From 0 to 1, or between the two ends of `scale`."},
        "scale": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 2,
            "maxItems": 2,
            "default": [0, 1],
            "description": "The worst and the best score.",
        },
        "thumb": {"enum": ["up", "down"]},
        "source": {"type": "string", "minLength": 1, "maxLength": 32},
        "comment": {"type": "string"},
        "metadata": {"type": "object"},
    },
    "oneOf": [
        {"required": ["completion_id", "score"]},
        {"required": ["completion_id", "thumb"]},
        {"required": ["episode_id", "score"]},
        {"required": ["episode_id", "thumb"]},
        {"required": ["preferred", "rejected"]},
    ],
}
_RECEIPT: dict[str, Any] = {
    "type": "object",
    "description": "Of a completion; that of an episode has `completions`, that of a pair `preferred` and `rejected`.",
    "required": ["id", "object", "source", "status"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "feedback"},
        "completion_id": {"type": "string"},
        "router_id": {"type": "string"},
        "model": {"type": "string"},
        "episode_id": {"type": "string"},
        "completions": {"type": "array", "items": {"type": "object"}},
        "preferred": {"type": "object"},
        "rejected": {"type": "object"},
        "source": {"type": "string"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "status": {"enum": ["recorded", "updated", "unchanged"]},
    },
}
_RECEIPTS = {
    "type": "object",
    "required": ["object", "data"],
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": _RECEIPT}},
}


def _listed(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["feedback"],
        "properties": {"feedback": {"type": "array", "minItems": 1, "maxItems": 1_000, "items": item}},
    }


FEEDBACK_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [_FEEDBACK_ITEM, _listed(_FEEDBACK_ITEM)]},
                "examples": {
                    "score": {"value": {"completion_id": f"chatcmpl-req_{0x01A214E0:032x}", "score": 0.9}},
                    "thumb": {"value": {"episode_id": "run-42", "thumb": "down", "source": "critic"}},
                },
            }
        },
    },
    "responses": {"200": {"content": {"application/json": {"schema": {"oneOf": [_RECEIPT, _RECEIPTS]}}}}},
}
