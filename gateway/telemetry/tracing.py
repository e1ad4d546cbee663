"""OpenTelemetry traces by the semantic conventions for generative AI; imported only if traces are wanted.

A request gets its ids when it arrives. Its spans are made in a thread after it has ended: one of kind SERVER, and one
of kind CLIENT for each attempt. They hold ids, figures and fixed words, never content.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from bandit.types import Attempt, Ending
from gateway.catalog.catalog import Model
from gateway.settings import ProviderSettings
from gateway.telemetry.batches import BatchThread
from gateway.telemetry.log_lines import Ended, Refused
from gateway.telemetry.trace_context import RequestTrace

SPAN = "POST /{router_id}/chat/completions"
PROVIDERS: Mapping[str, str] = {
    "mistral": "mistral_ai",
    "gemini": "gcp.gemini",
    "xai": "x_ai",
}
"""Well-known values of `gen_ai.provider.name`, if they are not our own name of the provider."""
FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
"""Others are the provider's own words."""

Attributes = dict[str, AttributeValue]


class TracedEnd(NamedTuple):
    """A request that a model was chosen for, with its attempts and the models of its router."""

    trace: RequestTrace
    ended: Ended
    attempts: tuple[Attempt, ...]
    models: Mapping[str, Model]


class TracedRefusal(NamedTuple):
    """A request that no model was chosen for."""

    trace: RequestTrace
    refused: Refused


class Tracing:
    """Traces of one process. `begin` is for the event loop, the rest is thread-safe."""

    def __init__(self, provider: TracerProvider, ids: "PresetIds", providers: Mapping[str, ProviderSettings]) -> None:
        self._provider = provider
        self._ids = ids
        self._tracer = provider.get_tracer("bandit-gateway")
        self._propagator = TraceContextTextMapPropagator()
        self._servers = {name: _server(settings.base_url) for name, settings in providers.items()}
        self._thread: BatchThread[TracedEnd | TracedRefusal] = BatchThread("tracer", self._make_spans)

    def begin(self, header: Callable[[bytes], bytes | None]) -> RequestTrace:
        """Continue the trace of the request's `traceparent`, or begin one."""
        carrier = {
            name: value.decode("latin-1")
            for name in ("traceparent", "tracestate")
            if (value := header(name.encode())) is not None
        }
        context = self._propagator.extract(carrier, Context())
        parent = get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else self._ids.random.generate_trace_id()
        sampling = self._provider.sampler.should_sample(context, trace_id, SPAN, SpanKind.SERVER)
        return RequestTrace(
            trace_id,
            parent.span_id if parent.is_valid else None,
            sampled=sampling.decision is Decision.RECORD_AND_SAMPLE,
            trace_state=parent.trace_state.to_header() if parent.is_valid else "",
            next_id=self._ids.random.generate_span_id,
        )

    def completed(
        self, trace: RequestTrace, ended: Ended, attempts: tuple[Attempt, ...], models: Mapping[str, Model]
    ) -> None:
        """Make the spans of a request that a model was chosen for, soon. They are left out if too many wait."""
        if trace.sampled:
            self._thread.put(TracedEnd(trace, ended, attempts, models))

    def refused(self, trace: RequestTrace, refused: Refused) -> None:
        """Make the span of a request that no model was chosen for, soon."""
        if trace.sampled:
            self._thread.put(TracedRefusal(trace, refused))

    def close(self) -> None:
        """Export what has ended. It takes up to some seconds: not for the event loop."""
        self._thread.flush()
        self._provider.shutdown()

    def _make_spans(self, traced: Sequence[TracedEnd | TracedRefusal]) -> None:
        for each in traced:
            if isinstance(each, TracedEnd):
                self._make_end(each)
            else:
                self._make_refusal(each)

    def _make_refusal(self, traced: TracedRefusal) -> None:
        refused = traced.refused
        attributes: Attributes = {"bandit_gateway.request_id": refused.request_id}
        if refused.router_id:
            attributes["bandit_gateway.router"] = refused.router_id
        span = self._server_span(traced.trace, refused.at - refused.seconds, attributes)
        _finish_server_span(span, refused.http_status, refused.code, refused.fault, refused.at)

    def _make_end(self, traced: TracedEnd) -> None:
        ended, trace = traced.ended, traced.trace
        decision, outcome = ended.decision, ended.outcome
        attributes: Attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.response.id": f"chatcmpl-{decision.completion_id}",
            "gen_ai.request.stream": decision.stream,
            "bandit_gateway.request_id": decision.completion_id,
            "bandit_gateway.router": decision.router_id,
            "bandit_gateway.key_id": decision.key_id,
            "bandit_gateway.task": decision.task,
            "bandit_gateway.policy": decision.policy,
            "bandit_gateway.drawn_model": decision.drawn_model_id,
            "bandit_gateway.probability": decision.propensity,
            "bandit_gateway.randomised": decision.randomised,
            "bandit_gateway.status": outcome.status.value,
            "bandit_gateway.attempts": outcome.attempts,
            "bandit_gateway.cost_usd": outcome.cost_usd,
        }
        server = self._server_span(trace, outcome.ended_at - outcome.seconds, attributes)
        for attempt, span_id in zip(traced.attempts, trace.attempt_ids, strict=False):
            self._attempt_span(server, span_id, decision.completion_id, attempt, traced.models.get(attempt.model_id))
        _finish_server_span(server, ended.http_status, ended.code, ended.fault, outcome.ended_at)

    def _server_span(self, trace: RequestTrace, at: float, attributes: Attributes) -> Span:
        context = Context()
        if trace.parent_id is not None:
            flags = TraceFlags(TraceFlags.SAMPLED if trace.sampled else TraceFlags.DEFAULT)
            parent = SpanContext(trace.trace_id, trace.parent_id, is_remote=True, trace_flags=flags)
            context = set_span_in_context(NonRecordingSpan(parent), context)
        self._ids.preset(trace.trace_id, trace.span_id)
        http: Attributes = {"http.request.method": "POST", "http.route": "/{router_id}/chat/completions"}
        return self._tracer.start_span(
            SPAN, context, SpanKind.SERVER, {**http, **attributes}, start_time=_nanoseconds(at)
        )

    def _attempt_span(
        self, server: Span, span_id: int, completion_id: str, attempt: Attempt, model: Model | None
    ) -> None:
        name = model.upstream_name if model else attempt.model_id
        provider = model.provider if model else ""
        attributes: Attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDERS.get(provider, provider),
            "gen_ai.request.model": name,
            "gen_ai.request.stream": attempt.stream,
            "gen_ai.response.id": f"chatcmpl-{completion_id}",
            "bandit_gateway.model": attempt.model_id,
            "bandit_gateway.attempt": attempt.number,
            "bandit_gateway.ending": attempt.ending.value,
            "bandit_gateway.cost_usd": attempt.cost_usd,
            **self._servers.get(provider, {}),
        }
        if attempt.prompt_tokens is not None and attempt.completion_tokens is not None:
            attributes["gen_ai.usage.input_tokens"] = attempt.prompt_tokens
            attributes["gen_ai.usage.cache_read.input_tokens"] = attempt.cached_tokens
            attributes["gen_ai.usage.output_tokens"] = attempt.completion_tokens
        if attempt.finish_reason is not None:
            known = attempt.finish_reason if attempt.finish_reason in FINISH_REASONS else "other"
            attributes["gen_ai.response.finish_reasons"] = [known]
        if attempt.first_token_seconds is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = attempt.first_token_seconds
        failed = attempt.ending is not Ending.COMPLETE
        if failed:
            attributes["error.type"] = str(attempt.status or attempt.ending.value)
        self._ids.preset(None, span_id)
        began = attempt.started_at
        span = self._tracer.start_span(
            f"chat {name}",
            set_span_in_context(server, Context()),
            SpanKind.CLIENT,
            attributes,
            start_time=_nanoseconds(began),
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR, attempt.ending.value))
        span.end(_nanoseconds(began + attempt.seconds))


class PresetIds(IdGenerator):
    """Gives spans the ids that were passed on before they were made. For the tracer's thread alone."""

    def __init__(self) -> None:
        self.random = RandomIdGenerator()
        self._trace_id = self._span_id = 0

    def preset(self, trace_id: int | None, span_id: int) -> None:
        """Set the ids of the next span; None: its parent's trace."""
        self._trace_id, self._span_id = trace_id or self._trace_id, span_id

    def generate_trace_id(self) -> int:
        """The trace's id that was set."""
        return self._trace_id

    def generate_span_id(self) -> int:
        """The span's id that was set."""
        return self._span_id


def start_tracing(providers: Mapping[str, ProviderSettings]) -> Tracing:
    """Export traces as the environment's OTEL_ variables say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - tests have another
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    ids = PresetIds()
    named = "OTEL_SERVICE_NAME" in os.environ
    resource = Resource.create({} if named else {"service.name": "bandit-gateway"})
    provider = TracerProvider(id_generator=ids, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider, ids, providers)


def _finish_server_span(span: Span, http_status: int, code: str | None, fault: str, at: float) -> None:
    span.set_attribute("http.response.status_code", http_status)
    span.set_attribute("bandit_gateway.fault", fault)
    if http_status >= 500 and code is not None:
        span.set_attribute("error.type", code)
        span.set_status(Status(StatusCode.ERROR, code))
    span.end(_nanoseconds(at))


def _nanoseconds(at: float) -> int:
    return int(at * 1e9)


def _server(base_url: str) -> Attributes:
    try:
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return {}
    return {"server.address": parts.hostname, "server.port": port} if parts.hostname else {}
