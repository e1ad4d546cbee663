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
from functools import partial
from time import perf_counter

from bandit.types import Epoch, LoopTime
from gateway.api_keys import Keyring, require
from gateway.asgi import ClientGone, Head, Http, HttpRequest
from gateway.bodies import Bodies
from gateway.completions.decision import Decision, NoModelAvailable, decide, decide_plainly
from gateway.completions.handler import CompletionHandler, Services
from gateway.completions.request import CompletionRequest, parse_completion
from gateway.completions.routing_fields import HeaderOf, has_routing, no_header
from gateway.errors import EveryModelCooling, GatewayError, OurOwnFault, RateLimited, RouterNotFound, RouterUnreadable
from gateway.feedback import FeedbackBatch, parse_feedback
from gateway.ids import RequestIds
from gateway.limits.allowance import KeyAllowance, Reservation
from gateway.limits.limiter import KeyLimiter
from gateway.maintenance.unmatched import UnmatchedCounter
from gateway.routing.registry import Registry
from gateway.routing.router import LiveRouter
from gateway.routing.sightings import Sighting
from gateway.routing.task_names import TaskAdmission
from gateway.tasks.call_sites import CallSite
from gateway.tasks.classifier import Features, classify
from gateway.telemetry.trace_context import RequestTrace
from storage.records import FeedbackReceipt, KeyRecord

log = logging.getLogger(__name__)

COOLING_WAIT_SECONDS = 5.0
"""How long a request waits for the first of its cooling models before it fails."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What all requests with one head have in common, as it was found in a generation of the keys."""

    key: KeyRecord
    router: LiveRouter
    generation: int
    is_limited: bool
    header: HeaderOf  # what it tells the router


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
        request_ids: RequestIds,
    ) -> None:
        self.keyring = keyring
        self._registry = registry
        self.routers = registry.routers
        self.services = services
        self.clock = services.clock
        self._tracing = services.observer.tracing
        self._loop_clock = services.loop_clock
        self._request_ids = request_ids
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
        started, now = perf_counter(), self.clock()  # not loop.time(): uvloop's counts in whole milliseconds
        http.request_id = self._request_ids.new(now)
        key: KeyRecord | None = None
        trace = None if self._tracing is None else self._tracing.begin(http.header)
        try:
            entry = self._enter(http.head, router_id, now)
            key, router = entry.key, entry.router
            allowance = self._limiter.of(key) if entry.is_limited else None
            if allowance is not None:
                http.standing = allowance.standing
                allowance.admit(now)
            body = http.take_body(self.limits.body_bytes)
            request = await self._read(http) if body is None else parse_completion(body, entry.header)
            self.services.recorder.require_room()
            if body is None:
                now = self.clock()  # it was waited for
            decision = None
            if request.is_plain and allowance is None:
                states = self.services.model_states
                decision = decide_plainly(http.request_id, router, request, states, now, self._loop_clock())
            if decision is None:
                decision = await self._decide(http.request_id, router, request, allowance, key, now)
            elif request.call_site is not None:
                self._see(router, request.call_site, request.features, key)
            router.spend.reserve(decision.expected_usd, decision.at)
            reservation = None if allowance is None else _reserve(allowance, decision)
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

    def _enter(self, head: Head, router_id: str, now: Epoch) -> Entry:
        """As `authenticate`, but what was found for a request with the same head is not looked up while it holds."""
        entry: Entry | None = head.found
        if (
            entry is not None
            and entry.generation == self.keyring.generation
            and self.routers.get(router_id) is entry.router
        ):
            self.keyring.use(entry.key, now)
            self._registry.reprice(now)
            return entry
        key, router = self.authenticate(head.header(b"authorization"), router_id)
        header = head.header if has_routing(head.header) else no_header
        found = Entry(key, router, self.keyring.generation, self._limiter.of(key) is not None, header)
        head.found = found
        return found

    async def _read(self, http: Http) -> CompletionRequest:
        limit = self.limits.body_bytes
        return await self._bodies.read(http, limit, lambda body: parse_completion(http.chat_body(body), http.header))

    def _see(self, router: LiveRouter, site: CallSite, features: Features, key: KeyRecord) -> None:
        """Take note of a call site that is no class yet."""
        if router.knows_call_sites and site.key not in router.tasks:
            sighting = Sighting(key.id, features.messages, classify(features))
            self._admission.see(router.id, router.tasks, site, sighting, named=router.options.call_site_names)

    async def _decide(
        self,
        completion_id: str,
        router: LiveRouter,
        request: CompletionRequest,
        allowance: KeyAllowance | None,
        key: KeyRecord,
        now: Epoch,
    ) -> Decision:
        """Decide on a request of any kind, after a wait if every model is cooling down."""
        stated = request.task(router.options.task_metadata_key)
        if allowance is not None:
            allowance.require_task(stated or classify(request.features))
        if stated is not None:
            await self._admission.admit(router.id, router.tasks, stated)
            now = self.clock()
        elif request.call_site is not None:
            self._see(router, request.call_site, request.features, key)
        providers, states = self.services.providers, self.services.model_states
        deciding = partial(decide, completion_id, router, request, providers, states, allowance, key, stated)
        try:
            return deciding(now, self._loop_clock())
        except NoModelAvailable as unavailable:
            return await self._decide_later(deciding, unavailable)

    async def _decide_later(
        self, deciding: Callable[[Epoch, LoopTime], Decision], unavailable: NoModelAvailable
    ) -> Decision:
        """Wait for the first of the cooling models, up to `COOLING_WAIT_SECONDS`, and decide again."""
        loop, cooldowns = asyncio.get_running_loop(), self.services.model_states.cooldowns
        until = loop.time() + COOLING_WAIT_SECONDS
        while True:
            now = loop.time()
            seconds = cooldowns.soonest(unavailable.models, now) or 0.0
            if now >= until or (now + seconds > until and not cooldowns.probing(unavailable.models, now)):
                limited = all(map(cooldowns.is_limited, unavailable.models))
                raise _cooling(unavailable, seconds, limited) from None
            await self._until_a_call_ends(min(seconds, until - now))
            try:
                return deciding(self.clock(), LoopTime(loop.time()))
            except NoModelAvailable as still:
                unavailable = still

    async def _until_a_call_ends(self, seconds: float) -> None:
        """Wait until a probe of a half-open model ends, up to `seconds`."""
        ended = asyncio.Event()
        with self.services.model_states.cooldowns.watching(ended.set), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()


def _reserve(allowance: KeyAllowance, decision: Decision) -> Reservation:
    tokens = decision.expected_tokens if allowance.counts_tokens else 0.0
    return allowance.reserve(tokens, decision.expected_usd, decision.at)


def _cooling(unavailable: NoModelAvailable, seconds: float, limited: bool) -> GatewayError:
    kind = RateLimited if limited else EveryModelCooling
    return kind(f"every model is cooling down: {unavailable}", retry_after_seconds=seconds)
