"""`Idempotency-Key`: a management call that is sent again is not done again; its answer is given again."""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from gateway.errors import BadRequest, Conflict, IdempotencyMismatch
from gateway.routes.authentication import require_key
from gateway.routes.services import services_of
from storage.errors import DatabaseUnavailable
from storage.stores.idempotency import FormerCall, Idempotency, IdempotentCall, KeptAnswer

log = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
LONGEST = 128
NAME_PATTERN = rf"^[\x21-\x7e]{{1,{LONGEST}}}$"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_NOT_DRY = frozenset({"false", "0", "off", "no", "n", "f"})  # as FastAPI reads them

_KEPT_HEADERS = ("content-type", "cache-control", "etag", "location")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class IdempotentRoute(APIRoute):
    """A route whose unsafe calls are done once for each `Idempotency-Key`. What failed may be sent again."""

    def get_route_handler(self) -> Handler:
        """The handler of the route, with the keys' names around it."""
        handle = super().get_route_handler()
        if SAFE_METHODS.issuperset(self.methods or ()):
            return handle

        async def handle_once(request: Request) -> Response:
            name = request.headers.get(HEADER)
            is_dry = request.query_params.get("dry_run", "false").lower() not in _NOT_DRY
            if name is None or is_dry:  # a dry run does nothing that could be done twice
                return await handle(request)
            call = await _call(request, name)
            calls = Idempotency(services_of(request).database)
            former = await asyncio.to_thread(calls.claim, call)
            if former is not None:
                return _replayed(former, call)
            try:
                response = await handle(request)
            except BaseException:
                await asyncio.shield(asyncio.to_thread(_release, calls, call))
                raise
            await asyncio.shield(asyncio.to_thread(_keep, calls, call, response))
            return response

        return handle_once


async def _call(request: Request, name: str) -> IdempotentCall:
    """The call that a request makes. Raises InvalidApiKey, InsufficientScope, BadRequest."""
    key = require_key(request, ("admin",))
    if not re.fullmatch(NAME_PATTERN, name):
        raise BadRequest(f"`{HEADER}` must have 1 to {LONGEST} printable ASCII characters", param=HEADER)
    digest = sha256()
    for part in (request.method, request.url.path, request.url.query, request.headers.get("if-match", "")):
        digest.update(part.encode() + b"\0")
    digest.update(await request.body())
    services = services_of(request)
    return IdempotentCall(key.id, name, digest.hexdigest(), request.scope["request_id"], services.clock())


def _replayed(former: FormerCall, call: IdempotentCall) -> Response:
    """The answer to the former call. Raises IdempotencyMismatch, Conflict."""
    if former.digest != call.digest:
        raise IdempotencyMismatch(
            f"`{HEADER}` {call.name} was given to another request within 24 hours: a new request needs a new one",
            param=HEADER,
            should_retry=False,
        )
    if former.change_id is not None:
        raise Conflict(
            f"this was done, as change {former.change_id}, but its answer was lost: read the object again",
            code="idempotency_answer_lost",
            param=HEADER,
            should_retry=False,
        )
    if former.answer is None:
        raise Conflict(
            f"the request with `{HEADER}` {call.name} is still running",
            code="idempotency_in_progress",
            param=HEADER,
            retry_after_seconds=1,
        )
    headers = {**former.answer.headers, "idempotency-replayed": "true"}
    return Response(former.answer.body, former.answer.status, headers=headers)


def _release(calls: Idempotency, call: IdempotentCall) -> None:
    try:
        calls.release(call)
    except DatabaseUnavailable as error:
        log.warning("an Idempotency-Key stays in use for a minute: %s", error)


def _keep(calls: Idempotency, call: IdempotentCall, response: Response) -> None:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    try:
        calls.keep(call, KeptAnswer(response.status_code, headers, _without_secret(bytes(response.body))))
    except DatabaseUnavailable as error:
        log.warning("the answer to an Idempotency-Key is not kept: %s", error)


def _without_secret(body: bytes) -> bytes:
    """The body of an answer without the secret of an API key, which is stored nowhere."""
    fields = json.loads(body) if body else None
    if isinstance(fields, dict) and fields.get("secret") is not None:
        return json.dumps({**fields, "secret": None}, separators=(",", ":"), ensure_ascii=False).encode()
    return body
