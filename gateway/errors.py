"""What a client is told when it gets no answer: one small tree, rendered in OpenAI's error shape.

GatewayError
├── BadRequest            400  the caller's mistake; `param` names the field
│   ├── InvalidJson       400  invalid_json
│   ├── ModelNotSupported 400  model_not_supported
│   ├── UnknownParameter  400  unknown_parameter
│   ├── NoCapableModel    400  no_capable_model
│   ├── RequestTooLarge   413  request_too_large
│   ├── UnsupportedMedia  415  unsupported_media_type
│   └── ProviderRejected  400, 413 or 422, as the provider said it
├── InvalidApiKey         401  invalid_api_key
├── InsufficientScope     403  insufficient_scope
├── NotFound              404  completion_not_found, …
│   └── RouterNotFound    404  router_not_found
├── MethodNotAllowed      405  method_not_allowed
├── Conflict              409  completion_in_progress, no_answer_to_score
│   └── NoEnabledModels   409  no_enabled_models
├── RateLimited           429  rate_limited
├── BudgetExhausted       429  budget_exhausted
├── AllModelsFailed       502  all_models_failed
├── ProviderTimeout       504  provider_timeout
├── OurOwnFault           500  internal_error
└── Unavailable           503  overloaded, ledger_unavailable, not_recorded_yet
"""

import math
from collections.abc import Sequence

import msgspec

BASE_URL_ADVICE = "a client's base URL ends with a router's id, as in http://HOST:PORT/rtr_default"


class GatewayError(Exception):
    """An error as the client sees it."""

    status = 500
    type = "server_error"
    code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.code
        self.retry_after_seconds = retry_after_seconds
        self.should_retry = should_retry

    def body(self) -> bytes:
        """The JSON that OpenAI's clients read: all four keys are there."""
        return msgspec.json.encode(
            {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}
        )

    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """What tells a client whether and when to try again; OpenAI's clients honour both."""
        headers = []
        if self.retry_after_seconds is not None:
            headers.append((b"retry-after", str(max(1, math.ceil(self.retry_after_seconds))).encode()))
        if self.should_retry is not None:
            headers.append((b"x-should-retry", b"true" if self.should_retry else b"false"))
        return headers


class OurOwnFault(GatewayError):
    """A defect of the gateway: the log has its cause."""

    def __init__(self) -> None:
        super().__init__("the gateway failed; its log has the cause under this request id")


class BadRequest(GatewayError):
    """The request can't be served as it is."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class InvalidJson(BadRequest):
    """The body is not one JSON object that every parser reads alike."""

    code = "invalid_json"


class ModelNotSupported(BadRequest):
    """`model` is something else than `dari/routing`."""

    code = "model_not_supported"


class UnknownParameter(BadRequest):
    """A key in our own namespace that does not exist."""

    code = "unknown_parameter"


class NoCapableModel(BadRequest):
    """No enabled model can do what the request needs."""

    code = "no_capable_model"


class RequestTooLarge(BadRequest):
    """The body is over the size limit."""

    status = 413
    code = "request_too_large"


class UnsupportedMedia(BadRequest):
    """The body is not declared as JSON."""

    status = 415
    code = "unsupported_media_type"


class ProviderRejected(BadRequest):
    """A provider found the caller's mistake; told in its own words."""

    def __init__(self, message: str, *, status: int, param: str | None, code: str | None) -> None:
        super().__init__(message, param=param, code=code)
        self.status = status


class InvalidApiKey(GatewayError):
    """No key, an unknown one, a revoked or an expired one."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class InsufficientScope(GatewayError):
    """A live key that may not do this, or not on this router."""

    status = 403
    type = "permission_error"
    code = "insufficient_scope"


class NotFound(GatewayError):
    """There is no such thing, or not for this key."""

    status = 404
    type = "not_found_error"
    code = "not_found"


class RouterNotFound(NotFound):
    """The path names no router; where it isn't even an id, the base URL is the likely cause."""

    code = "router_not_found"

    def __init__(self, router_id: str) -> None:
        advice = "" if router_id.startswith("rtr_") else f"; {BASE_URL_ADVICE}"
        super().__init__(f"there is no router {router_id[:80]!r}{advice}", should_retry=False)


class MethodNotAllowed(GatewayError):
    """The path exists, the method does not."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


class Conflict(GatewayError):
    """The state of the thing does not allow it now."""

    status = 409
    type = "conflict_error"
    code = "conflict"


class NoEnabledModels(Conflict):
    """The router has no enabled model."""

    code = "no_enabled_models"


class RateLimited(GatewayError):
    """Every candidate is rate-limited by its provider."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limited"


class BudgetExhausted(GatewayError):
    """The day's money is spent."""

    status = 429
    type = "rate_limit_error"
    code = "budget_exhausted"


class AllModelsFailed(GatewayError):
    """Every model that was tried failed."""

    status = 502
    code = "all_models_failed"


class ProviderTimeout(GatewayError):
    """Every model that was tried ran out of time."""

    status = 504
    code = "provider_timeout"


class Unavailable(GatewayError):
    """Not now; `Retry-After` says when."""

    status = 503
    code = "overloaded"
