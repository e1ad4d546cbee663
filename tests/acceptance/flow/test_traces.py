"""Traces of whole gateways, by the real OpenTelemetry SDK: what is continued, passed on, told, and left out."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

from gateway.settings import ProviderSettings
from gateway.telemetry.cells import Board
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.log_lines import as_json
from gateway.telemetry.log_writer import LogWriter
from gateway.telemetry.tracing import PresetIds, Tracing
from tests.acceptance.flow.conftest import configuration
from tests.support.gateway import GatewayProcess, Running, run_gateway
from tests.support.scripted_provider import Received, scripted
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MESSAGES = [{"role": "user", "content": "SECRETWORDS"}]


@dataclass
class Traced:
    """A gateway whose spans are kept in memory, and its log in a file."""

    gateway: Running
    received: Received
    exporter: InMemorySpanExporter
    logs: LogWriter
    log: Path

    def ask(self, router_id: str = "rtr_good", *, parent: str = "", **changed: Any) -> httpx.Response:
        headers = {"traceparent": parent, "tracestate": "vendor=a"} if parent else {}
        with self.gateway.http() as http:
            body = {"model": "dari/routing", "messages": MESSAGES, **changed}
            return http.post(f"/{router_id}/chat/completions", json=body, headers=headers)

    def spans(self, answer: httpx.Response) -> list[ReadableSpan]:
        """The spans of this request, the server's first, once they are made."""
        request_id = answer.headers["x-request-id"]

        def found() -> list[ReadableSpan]:
            servers = [
                span
                for span in self.exporter.get_finished_spans()
                if (span.attributes or {}).get("bandit_gateway.request_id") == request_id
            ]
            traces = {context_of(span).trace_id for span in servers}
            spans = [span for span in self.exporter.get_finished_spans() if context_of(span).trace_id in traces]
            return sorted(spans, key=lambda span: (span.kind is not SpanKind.SERVER, span.start_time))

        wait_until(lambda: bool(found()), "the spans are made")
        return found()


def context_of(span: ReadableSpan) -> Any:
    assert span.context is not None
    return span.context


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    return dict(span.attributes or {})


def run(folder: Path, provider: TracerProvider, ids: PresetIds) -> Iterator[Traced]:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def start(providers: Mapping[str, ProviderSettings]) -> Tracing:
        return Tracing(provider, ids, providers)

    received, log = Received(), folder / "log"
    with log.open("ab") as file, serve_app(scripted(received)) as url:
        instruments = Instruments(Board(), LogWriter(file.fileno(), as_json, logging.INFO), start)
        with run_gateway(configuration(url, folder), folder, made_instruments=instruments) as gateway:
            yield Traced(gateway, received, exporter, instruments.logs, log)
        instruments.logs.flush()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    ids = PresetIds()
    yield from run(tmp_path_factory.mktemp("traced"), TracerProvider(id_generator=ids), ids)


def test_a_request_is_followed_from_its_log_line_to_its_trace_to_its_decision(traced: Traced) -> None:
    answer = traced.ask()
    request_id = answer.headers["x-request-id"]
    spans = traced.spans(answer)
    traced.logs.flush()
    (line,) = [
        each for each in map(json.loads, traced.log.read_text().splitlines()) if each["request_id"] == request_id
    ]
    server, client = spans
    assert line["trace_id"] == f"{context_of(server).trace_id:032x}"
    with traced.gateway.http("admin") as http:
        decision = http.get(f"/admin/decisions/{attributes_of(server)['gen_ai.response.id']}").json()
    assert decision["id"] == f"chatcmpl-{request_id}"
    assert line["request_id"] == request_id
    assert attributes_of(server)["bandit_gateway.probability"] == decision["probability"]
    assert attributes_of(client)["bandit_gateway.model"] == line["model"] == answer.json()["model"]


def test_an_answer_has_a_server_span_and_a_client_span_by_the_conventions(traced: Traced) -> None:
    server, client = traced.spans(traced.ask())
    known = attributes_of(server)
    assert (server.name, server.kind) == ("POST /{router_id}/chat/completions", SpanKind.SERVER)
    assert (known["http.request.method"], known["http.response.status_code"]) == ("POST", 200)
    assert known["bandit_gateway.router"] == "rtr_good"
    assert client.parent is not None
    assert client.parent.span_id == context_of(server).span_id
    told = attributes_of(client)
    name = told["gen_ai.request.model"]
    assert (client.name, client.kind, client.status.status_code) == (f"chat {name}", SpanKind.CLIENT, StatusCode.UNSET)
    assert (told["gen_ai.operation.name"], told["gen_ai.provider.name"]) == ("chat", "p")
    assert told["gen_ai.usage.input_tokens"] == 10
    assert told["gen_ai.usage.cache_read.input_tokens"] == 2
    assert told["gen_ai.usage.output_tokens"] == 5
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert (told["server.address"], told["server.port"] > 0) == ("127.0.0.1", True)
    conventions = {value for value in vars(gen_ai_attributes).values() if isinstance(value, str)}
    for span in (server, client):
        assert {each for each in attributes_of(span) if each.startswith("gen_ai.")} <= conventions
        assert span.start_time is not None
        assert span.end_time is not None
    assert server.start_time <= client.start_time <= client.end_time <= server.end_time  # type: ignore[operator]  # see above


def test_a_stream_tells_when_its_first_chunk_came(traced: Traced) -> None:
    _, client = traced.spans(traced.ask(stream=True))
    assert attributes_of(client)["gen_ai.request.stream"] is True
    assert attributes_of(client)["gen_ai.response.time_to_first_chunk"] > 0.0


def test_a_callers_trace_is_continued_and_passed_on_to_the_provider(traced: Traced) -> None:
    server, client = traced.spans(traced.ask(parent=f"00-{TRACE}-{PARENT}-01"))
    assert f"{context_of(server).trace_id:032x}" == TRACE
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}" == PARENT
    sent = traced.received.headers[-1]
    assert sent["traceparent"] == f"00-{TRACE}-{context_of(client).span_id:016x}-01"
    assert sent["tracestate"] == "vendor=a"


def test_each_attempt_has_a_span_of_its_own_and_failed_ones_say_why(traced: Traced) -> None:
    before = len(traced.received.headers)
    server, failed, answered = traced.spans(traced.ask("rtr_failover"))
    assert attributes_of(failed)["error.type"] == "500"
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "failed")
    assert "error.type" not in attributes_of(answered)
    assert attributes_of(server)["bandit_gateway.attempts"] == 2
    sent = [headers["traceparent"].split("-")[2] for headers in traced.received.headers[before:]]
    assert sent == [f"{context_of(span).span_id:016x}" for span in (failed, answered)]


def test_what_fails_for_all_models_and_what_is_refused_is_a_span_too(traced: Traced) -> None:
    server, *_ = traced.spans(traced.ask("rtr_500"))
    assert attributes_of(server)["error.type"] in {"all_models_failed", "overloaded"}
    assert server.status.status_code is StatusCode.ERROR
    (refused,) = traced.spans(traced.ask(model="gpt-4"))
    assert attributes_of(refused)["http.response.status_code"] == 400
    assert refused.status.status_code is StatusCode.UNSET  # the caller's fault is no error of a server


@pytest.mark.parametrize("parent", ["nonsense", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", "00-é-é-01"])
def test_a_trace_parent_that_makes_no_sense_begins_a_new_trace(traced: Traced, parent: str) -> None:
    with traced.gateway.http() as http:
        headers = [(b"traceparent", parent.encode("latin-1"))]
        body = {"model": "dari/routing", "messages": MESSAGES}
        answer = http.post("/rtr_good/chat/completions", json=body, headers=headers)
    server, _ = traced.spans(answer)
    assert server.parent is None
    assert f"{context_of(server).trace_id:032x}" not in {TRACE, "0" * 32}


def test_no_span_holds_content(traced: Traced) -> None:
    for stream in (False, True):
        traced.spans(traced.ask(stream=stream, user="SECRETWORDS", metadata={"other": "SECRETWORDS"}))
    told = "".join(span.to_json() for span in traced.exporter.get_finished_spans())
    assert "SECRETWORDS" not in told
    assert "Hello" not in told
    assert not any(key in told for key in traced.gateway.keys.values())


def test_what_is_not_sampled_is_passed_on_as_such_and_makes_no_span(tmp_path: Path) -> None:
    ids = PresetIds()
    for traced in run(tmp_path, TracerProvider(id_generator=ids, sampler=ParentBased(ALWAYS_OFF)), ids):
        assert traced.ask().status_code == 200
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", traced.received.headers[-1]["traceparent"])
        traced.ask(parent=f"00-{TRACE}-{PARENT}-00")
        assert traced.received.headers[-1]["traceparent"].startswith(f"00-{TRACE}-")
        last = traced.ask(parent=f"00-{TRACE}-{PARENT}-01")
        assert len(traced.spans(last)) == 2
        assert len(traced.exporter.get_finished_spans()) == 2


def test_without_an_endpoint_nothing_is_traced_or_imported(running: Running) -> None:
    with running.http() as http:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        body = {"model": "dari/routing", "messages": MESSAGES}
        http.post("/rtr_good/chat/completions", json=body, headers=headers).raise_for_status()
    assert "traceparent" not in running.received.headers[-1]
    code = "import sys, gateway.app, gateway.serving.server; sys.exit('opentelemetry.sdk' in sys.modules)"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environ).returncode == 0


def test_a_served_gateway_exports_to_the_endpoint_of_its_environment(tmp_path: Path) -> None:
    exported: list[tuple[str, bytes]] = []

    async def collector(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            exported.append((scope["path"], (await receive())["body"]))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with serve_app(collector) as url:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
        settings = 'listen = "127.0.0.1:0"\ndrain_seconds = 0\n'
        with GatewayProcess(tmp_path, settings, workers=2, environ=environ) as gateway:
            with gateway.client() as http:
                body = {"model": "dari/routing", "messages": MESSAGES}
                request_id = http.post("/rtr_default/chat/completions", json=body).headers["x-request-id"]
            assert gateway.stop() == 0
    assert {path for path, _ in exported} == {"/v1/traces"}
    assert any(request_id.encode() in body for _, body in exported)
    assert not any(b"SECRETWORDS" in body for _, body in exported)
