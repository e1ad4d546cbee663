"""The whole flow in two lines:

request  → authenticate → decide → call provider → respond → record → learn
feedback → authenticate ───────────────────────────────────→ record → learn

The last byte of an answer is sent after its record is committed, so `record` comes before the end of `respond`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from bandit.types import LoopTime
from gateway.api_keys import Keyring, require
from gateway.asgi import ClientGone, Http, HttpRequest
from gateway.bodies import Bodies
from gateway.completions.decision import Decision, NoModelAvailable, decide
from gateway.completions.handler import CompletionHandler, Services
from gateway.completions.request import CompletionRequest, parse_completion
from gateway.errors import EveryModelCooling, GatewayError, OurOwnFault, RateLimited, RouterNotFound, RouterUnreadable
from gateway.feedback import FeedbackBatch, parse_feedback
from gateway.limits.allowance import KeyAllowance
from gateway.limits.limiter import KeyLimiter
from gateway.maintenance.unmatched import UnmatchedCounter
from gateway.routing.registry import Registry
from gateway.routing.router import LiveRouter
from gateway.routing.sightings import Sighting
from gateway.routing.task_names import TaskAdmission
from gateway.tasks.classifier import classify
from gateway.telemetry.trace_context import RequestTrace
from storage.records import FeedbackReceipt, KeyRecord

log = logging.getLogger(__name__)

COOLING_WAIT_SECONDS = 5.0
"""How long a request waits for the first of its cooling models before it fails."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest bodies that are accepted, in bytes."""

    body_bytes: int = 20 * 1024 * 1024
    feedback_bytes: int = 4 * 1024 * 1024


class Flow:
    """Serves completions and feedback, with the collaborators that `gateway.app` builds."""

    def __init__(
        self,
        keyring: Keyring,
        registry: Registry,
        services: Services,
        limits: Limits,
        admission: TaskAdmission,
        bodies: Bodies,
        may_be_spooled: Callable[[float], bool],
        is_kept_aside: Callable[[str], bool],
        limiter: KeyLimiter,
        unmatched: UnmatchedCounter,
    ) -> None:
        self.keyring = keyring
        self._registry = registry
        self.routers = registry.routers
        self.services = services
        self.clock = services.clock
        self.limits = limits
        self._may_be_spooled = may_be_spooled
        self._is_kept_aside = is_kept_aside
        self._admission = admission
        self._bodies = bodies
        self._limiter = limiter
        self._unmatched = unmatched
        self.running: set[str] = set()

    async def complete(self, http: Http, router_id: str) -> None:
        """Answer one completion request, with a completion or with an error."""
        started = perf_counter()  # not loop.time(): uvloop's counts in whole milliseconds
        key: KeyRecord | None = None
        tracing = self.services.observer.tracing
        trace = None if tracing is None else tracing.begin(http.header)
        try:
            key, router = self.authenticate(http.header(b"authorization"), router_id)
            allowance = self._limiter.of(key)
            if allowance is not None:
                http.standing = allowance.standing
                allowance.admit(self.clock())
            body = http.take_body(self.limits.body_bytes)
            request = (
                await self._bodies.read(
                    http, self.limits.body_bytes, lambda body: parse_completion(http.chat_body(body), http.header)
                )
                if body is None
                else parse_completion(body, http.header)
            )
            self.services.recorder.require_room()
            stated = request.task(router.options.task_metadata_key)
            if allowance is not None:
                allowance.require_task(stated or classify(request.features))
            if stated is not None:
                await self._admission.admit(router.id, router.tasks, stated)
            site = request.call_site
            if site is not None and not stated and router.knows_call_sites and site.key not in router.tasks:
                features = request.features
                sighting = Sighting(key.id, features.messages, classify(features))
                self._admission.see(router.id, router.tasks, site, sighting, named=router.options.call_site_names)
            decision = await self.decide(http.request_id, router, request, allowance, key, stated)
            router.spend.reserve(decision.expected_usd, decision.at)
            reservation = None
            if allowance is not None:
                tokens = decision.expected_tokens if allowance.counts_tokens else 0.0
                reservation = allowance.reserve(tokens, decision.expected_usd, decision.at)
        except GatewayError as error:
            self._refused(http, router_id, key, error, started, trace)
            await http.fail(error)
            return
        except ClientGone:
            self._refused(http, router_id, key, None, started, trace)
            return
        except Exception:
            log.exception("request %s could not be decided", http.request_id, extra={"about": "requests"})
            self._refused(http, router_id, key, own := OurOwnFault(), started, trace)
            await http.fail(own)
            return
        self.running.add(decision.completion_id)
        try:
            await CompletionHandler(self.services, http, key, decision, started, trace, reservation).serve()
        finally:
            self.running.discard(decision.completion_id)

    def _refused(
        self,
        http: Http,
        router_id: str,
        key: KeyRecord | None,
        error: GatewayError | None,
        started: float,
        trace: RequestTrace | None,
    ) -> None:
        """Tell of a request that ends here; `error` None: because its client left."""
        known = router_id if router_id in self.routers else ""  # what a caller has made up is told to nobody
        key_id = key.id if key else None
        self.services.observer.refused(http.request_id, known, key_id, error, perf_counter() - started, trace)

    async def feedback(self, http: HttpRequest) -> "tuple[FeedbackBatch, tuple[FeedbackReceipt, ...]]":
        """Record one feedback or a list of them, all or none. Raises GatewayError."""
        now, key = self.clock(), None
        try:
            key = self.keyring.authenticate(http.header(b"authorization"), now)
            require(key, ("feedback", "routing"))
            scales = tuple(self._registry.scales)
            batch = await self._bodies.read(
                http, self.limits.feedback_bytes, lambda body: parse_feedback(body, key, now, scales)
            )
            batch.refuse_running(self.running)
            receipts = await batch.record(self.services.recorder, now, self._may_be_spooled, self._is_kept_aside)
        except GatewayError as error:
            self.services.observer.not_scored(error, key.id if key else None)
            if key is not None:
                self._unmatched.note(key.id, error, now)
            raise
        self.services.observer.scored(receipts, now, key.id)
        return batch, receipts

    def authenticate(self, authorization: bytes | None, router_id: str) -> tuple[KeyRecord, LiveRouter]:
        """The key and the router it may use.

        Raises InvalidApiKey, InsufficientScope, RouterNotFound, RouterUnreadable.
        """
        now = self.clock()
        key = self.keyring.authenticate(authorization, now)
        require(key, ("routing",), router_id)
        self._registry.reprice(now)
        router = self.routers.get(router_id)
        if router is None:
            if router_id in self._registry.unreadable:
                raise RouterUnreadable(router_id)
            raise RouterNotFound(router_id)
        return key, router

    async def decide(
        self,
        completion_id: str,
        router: LiveRouter,
        request: CompletionRequest,
        allowance: KeyAllowance | None,
        key: KeyRecord,
        stated: str | None,
    ) -> Decision:
        """Choose a model; if all are cooling down, wait up to `COOLING_WAIT_SECONDS` for the first of them."""
        loop, cooldowns = asyncio.get_running_loop(), self.services.model_states.cooldowns
        until = loop.time() + COOLING_WAIT_SECONDS
        while True:
            try:
                return decide(
                    completion_id,
                    router,
                    request,
                    self.services.providers,
                    self.services.model_states,
                    self.clock(),
                    LoopTime(loop.time()),
                    allowance,
                    key,
                    stated,
                )
            except NoModelAvailable as unavailable:
                now = loop.time()
                seconds = cooldowns.soonest(unavailable.models, now) or 0.0
                if now >= until or (now + seconds > until and not cooldowns.probing(unavailable.models, now)):
                    limited = all(map(cooldowns.is_limited, unavailable.models))
                    raise _cooling(unavailable, seconds, limited) from None
                await self._until_a_call_ends(min(seconds, until - now))

    async def _until_a_call_ends(self, seconds: float) -> None:
        """Wait until a probe of a half-open model ends, up to `seconds`."""
        ended = asyncio.Event()
        with self.services.model_states.cooldowns.watching(ended.set), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()


def _cooling(unavailable: NoModelAvailable, seconds: float, limited: bool) -> GatewayError:
    kind = RateLimited if limited else EveryModelCooling
    return kind(f"every model is cooling down: {unavailable}", retry_after_seconds=seconds)
