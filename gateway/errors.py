"""The errors that clients see, in OpenAI's shape.

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
├── Conflict              409  completion_in_progress, no_answer_to_score, router_exists, last_admin_key, changed_since
│   └── NoEnabledModels   409  no_enabled_models
├── RevisionConflict      412  revision_conflict
├── IdempotencyMismatch   422  idempotency_mismatch
├── RateLimited           429  rate_limited, too_many_corrections
├── RateLimitExceeded     429  rate_limit_exceeded
├── BudgetExhausted       429  budget_exhausted
│   └── KeyBudgetExhausted 429  budget_exhausted
├── AllModelsFailed       502  all_models_failed
├── ProviderTimeout       504  provider_timeout
├── OurOwnFault           500  internal_error
├── EveryModelCooling     503  overloaded
├── RouterUnreadable      503  router_unreadable
└── Unavailable           503  overloaded, ledger_unavailable, not_recorded_yet, analyst_ended
"""

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

BASE_URL_ADVICE = "a client's base URL ends with a router's id, as in http://HOST:PORT/rtr_default"


class Fault(StrEnum):
    """Whose fault an error is: who can do something about it."""

    CALLER = "caller"
    POLICY = "policy"  # a limit that the operator has set
    PROVIDER = "provider"
    OWN = "own"


class GatewayError(Exception):
    """An error that is answered to the client."""

    status = 500
    type = "server_error"
    code = "internal_error"
    fault = Fault.CALLER

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
        should_retry: bool | None = None,
        problems: Sequence[tuple[str | None, str]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.code
        self.retry_after_seconds = retry_after_seconds
        self.should_retry = should_retry
        self.problems = problems

    @property
    def known_code(self) -> str:
        """The code, for metrics and logs: one of those that are listed above."""
        return self.code

    def body(self) -> bytes:
        """The JSON body. All four keys are present: OpenAI's clients read them. Several mistakes are `problems`."""
        error: dict[str, object] = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        if self.problems:
            error["problems"] = [{"param": param, "message": message} for param, message in self.problems]
        return msgspec.json.encode({"error": error})

    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """`retry-after` and `x-should-retry`, which OpenAI's clients honour."""
        headers = []
        if self.retry_after_seconds is not None:
            headers.append((b"retry-after", str(max(1, math.ceil(self.retry_after_seconds))).encode()))
        if self.should_retry is not None:
            headers.append((b"x-should-retry", b"true" if self.should_retry else b"false"))
        return headers


class OurOwnFault(GatewayError):
    """A defect of the gateway; its log has the cause."""

    fault = Fault.OWN

    def __init__(self) -> None:
        super().__init__("the gateway failed; its log has the cause under this request id")


class BadRequest(GatewayError):
    """The request is wrong."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"


class InvalidJson(BadRequest):
    """The body is not a JSON object that every parser reads alike."""

    code = "invalid_json"


class ModelNotSupported(BadRequest):
    """`model` is not `dari/routing`."""

    code = "model_not_supported"


class UnknownParameter(BadRequest):
    """An unknown key in the gateway's own namespace."""

    code = "unknown_parameter"


class NoCapableModel(BadRequest):
    """No enabled model can do what the request needs."""

    code = "no_capable_model"


class RequestTooLarge(BadRequest):
    """The body is over the size limit."""

    status = 413
    code = "request_too_large"


class UnsupportedMedia(BadRequest):
    """The Content-Type is not JSON."""

    status = 415
    code = "unsupported_media_type"


class ProviderRejected(BadRequest):
    """A provider refused the request as the caller's mistake; its own message is passed on."""

    def __init__(self, message: str, *, status: int, param: str | None, code: str | None) -> None:
        super().__init__(message, param=param, code=code)
        self.status = status

    @property
    def known_code(self) -> str:
        """`provider_rejected`: the code is in the provider's words."""
        return "provider_rejected"


class InvalidApiKey(GatewayError):
    """No key, or one that is unknown, revoked or expired."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class InsufficientScope(GatewayError):
    """A valid key without the scope, or for other routers."""

    status = 403
    type = "permission_error"
    code = "insufficient_scope"


class NotFound(GatewayError):
    """There is no such object, or not for this key."""

    status = 404
    type = "not_found_error"
    code = "not_found"


class RouterNotFound(NotFound):
    """The path names no router. If it isn't even a router's id, the client's base URL is probably wrong."""

    code = "router_not_found"

    def __init__(self, router_id: str) -> None:
        advice = "" if router_id.startswith("rtr_") else f"; {BASE_URL_ADVICE}"
        super().__init__(f"there is no router {router_id[:80]!r}{advice}", should_retry=False)


class MethodNotAllowed(GatewayError):
    """The path exists, the method does not. `allowed` are the methods that do."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: Iterable[str]) -> None:
        super().__init__(message, should_retry=False)
        self._allow = ", ".join(sorted(allowed))

    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Those of every error, and `allow`."""
        return [*super().headers(), (b"allow", self._allow.encode())]


class Conflict(GatewayError):
    """The object's state does not allow this now."""

    status = 409
    type = "conflict_error"
    code = "conflict"


class NoEnabledModels(Conflict):
    """The router has no enabled model."""

    code = "no_enabled_models"
    fault = Fault.POLICY


class RevisionConflict(GatewayError):
    """The object has changed since the caller read it."""

    status = 412
    type = "conflict_error"
    code = "revision_conflict"


class IdempotencyMismatch(GatewayError):
    """The `Idempotency-Key` was given to another request before."""

    status = 422
    type = "invalid_request_error"
    code = "idempotency_mismatch"


class RateLimited(GatewayError):
    """Every candidate is rate-limited by its provider."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limited"
    fault = Fault.PROVIDER


class RateLimitExceeded(GatewayError):
    """The API key has used its requests or tokens a minute. `kind` is `requests` or `tokens`, as OpenAI's `type`."""

    status = 429
    code = "rate_limit_exceeded"
    fault = Fault.POLICY

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        retry_after_seconds: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds, should_retry=should_retry)
        self.kind = self.type = kind

    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """`retry-after-ms` too: it is exact, and OpenAI's clients prefer it."""
        if self.retry_after_seconds is None:
            return super().headers()
        exact = (b"retry-after-ms", b"%d" % max(1, math.ceil(self.retry_after_seconds * 1000)))
        return [*super().headers(), exact]


class BudgetExhausted(GatewayError):
    """The limit on dollars of the router, the API key or the request itself is too small for every model."""

    status = 429
    type = "rate_limit_error"
    code = "budget_exhausted"
    fault = Fault.POLICY


class KeyBudgetExhausted(BudgetExhausted):
    """The API key's own limit on dollars is too small for every model."""


class AllModelsFailed(GatewayError):
    """Every model that was tried failed."""

    status = 502
    code = "all_models_failed"
    fault = Fault.PROVIDER


class ProviderTimeout(GatewayError):
    """Every model that was tried timed out."""

    status = 504
    code = "provider_timeout"
    fault = Fault.PROVIDER


class EveryModelCooling(GatewayError):
    """Every model that could answer cools down after failures."""

    status = 503
    code = "overloaded"
    fault = Fault.PROVIDER


class RouterUnreadable(GatewayError):
    """This version can't read the router's stored settings, such as a rule of a newer one; other routers serve."""

    status = 503
    code = "router_unreadable"
    fault = Fault.OWN

    def __init__(self, router_id: str) -> None:
        super().__init__(
            f"the settings of router {router_id} can't be read by this version of the gateway: `/readyz` and "
            "`bandit-gateway doctor` say why",
            should_retry=False,
        )


class Unavailable(GatewayError):
    """Not possible now; `Retry-After` says when to try again."""

    status = 503
    code = "overloaded"
    fault = Fault.OWN
