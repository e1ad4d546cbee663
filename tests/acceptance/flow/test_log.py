"""The log of whole gateways: a line per request and per failure, no content, no secrets, never in anybody's way."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import GatewayProcess
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

MARK = "SECRETWORDS"
PROVIDER_KEY = "sk-provider-3f9a8b7c6d5e4f3a2b1c"
MESSAGES = [{"role": "user", "content": "Say hello"}]


async def repeats_everything(scope: Any, receive: Any, send: Any) -> None:
    """A provider whose errors, codes and finish reasons hold the request and its headers; `MODEL` is the status."""
    if scope["type"] == "lifespan":
        return
    body = (await receive())["body"]
    request = json.loads(body)
    status = int(request["model"])
    words = body.decode() + repr(scope["headers"])
    if status == 200:
        choice = {"index": 0, "message": {"role": "assistant", "content": MARK}, "finish_reason": MARK}
        told: dict[str, Any] = {"id": MARK, "model": MARK, "choices": [choice], "system_fingerprint": MARK}
        told["usage"] = {"prompt_tokens": 5, "completion_tokens": 5, "cost": MARK, "service_tier": MARK}
    else:
        told = {"error": {"message": words, "code": MARK, "type": MARK, "param": MARK}}
    headers = [(b"content-type", b"application/json"), (b"x-request-id", MARK.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


STATUSES = (200, 400, 401, 403, 404, 429, 500)


def configuration(url: str) -> str:
    models = "".join(
        f'[models."echo/{status}"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 1.0\n'
        f'[routers.rtr_{status}]\nmodels = ["echo/{status}"]\n'
        for status in STATUSES
    )
    return (
        'listen = "127.0.0.1:0"\nlog_level = "debug"\n'
        f'[providers.echo]\nbase_url = "{url}/v1"\napi_key = "env:ECHO_KEY"\n{models}'
        '[routers.rtr_default]\nmodels = ["simulated/swift"]\n'
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("log")
    with (
        serve_app(repeats_everything) as url,
        GatewayProcess(folder, configuration(url), environ={"ECHO_KEY": PROVIDER_KEY}) as running,
    ):
        yield running


def lines(gateway: GatewayProcess) -> list[dict[str, Any]]:
    """The log's lines since the start; the banner is none."""
    return [json.loads(line) for line in gateway.output.splitlines() if line.startswith('{"at"')]


def line_of(gateway: GatewayProcess, request_id: str, event: str) -> dict[str, Any]:
    """The one line of this request and event, once it is written."""

    def found() -> list[dict[str, Any]]:
        return [each for each in lines(gateway) if (each.get("request_id"), each["event"]) == (request_id, event)]

    wait_until(lambda: bool(found()), f"the line {event} of {request_id} is written")
    (line,) = found()
    return line


def post(gateway: GatewayProcess, router_id: str, **changed: Any) -> httpx.Response:
    with gateway.client() as http:
        body = {"model": "dari/routing", "messages": MESSAGES, **changed}
        return http.post(f"/{router_id}/chat/completions", json=body)


def test_an_answer_is_one_line_with_its_ids_and_figures(gateway: GatewayProcess) -> None:
    answer = post(gateway, "rtr_default")
    line = line_of(gateway, answer.headers["x-request-id"], "answered")
    assert answer.json()["id"] == f"chatcmpl-{line['request_id']}"
    known = {name: line[name] for name in ("level", "router", "model", "attempts", "status", "code", "fault", "stream")}
    assert known == {
        "level": "info",
        "router": "rtr_default",
        "model": "simulated/swift",
        "attempts": 1,
        "status": 200,
        "code": None,
        "fault": "none",
        "stream": False,
    }
    assert line["key_id"].startswith("key_")
    assert line["seconds"] >= line["own_seconds"] > 0.0
    assert line["cost_usd"] > 0.0
    assert line["completion_tokens"] == answer.json()["usage"]["completion_tokens"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["at"])


def test_a_failure_is_one_line_of_its_attempt_and_one_of_its_request(gateway: GatewayProcess) -> None:
    request_id = post(gateway, "rtr_500").headers["x-request-id"]
    attempt = line_of(gateway, request_id, "attempt_failed")
    of_attempt = (attempt["level"], attempt["model"], attempt["verdict"], attempt["status"])
    assert of_attempt == ("warning", "echo/500", "failed", 500)
    request = line_of(gateway, request_id, "failed")
    of_request = (request["level"], request["status"], request["code"], request["fault"])
    assert of_request == ("warning", 502, "all_models_failed", "provider")


def test_a_refused_request_is_one_line(gateway: GatewayProcess) -> None:
    with gateway.client() as http:
        headers = {"authorization": "Bearer sk-bg-wrongwrongwrong"}
        request_id = http.post("/rtr_default/chat/completions", headers=headers, json={}).headers["x-request-id"]
    line = line_of(gateway, request_id, "refused")
    known = (line["level"], line["router"], line["key_id"], line["status"], line["code"])
    assert known == ("info", "rtr_default", None, 401, "invalid_api_key")


def test_nothing_that_callers_or_providers_say_is_logged_and_no_secret_is(gateway: GatewayProcess) -> None:
    hostile = f'{MARK}\n{{"at": "{MARK}"}}\r\x1b[31m'
    fields = {
        "messages": [{"role": "user", "content": hostile, "name": MARK}],
        "user": hostile,
        "metadata": {"task": MARK, MARK: hostile},
        "tools": [{"type": "function", "function": {"name": MARK, "description": hostile}}],
        "stop": [MARK],
        "routing": {"instructions": f"prefer {MARK}"},
        "response_format": {"type": "json_schema", "json_schema": {"name": MARK, "schema": {"title": MARK}}},
    }
    headers = {"x-request-id": MARK, "user-agent": MARK, "referer": MARK, "traceparent": MARK, "x-task": MARK}
    with gateway.client() as http:
        asked = [
            http.post(f"/rtr_{status}/chat/completions", headers=headers, json={"model": "dari/routing", **changed})
            for status in STATUSES
            for changed in (fields, {**fields, "stream": True}, {"messages": hostile}, {**fields, MARK: MARK})
        ]
        for path in (f"/{MARK}/chat/completions", f"/rtr_{MARK}/responses", f"/{MARK}?{MARK}={MARK}", "/feedback"):
            http.post(path, headers=headers, json={"completion_id": MARK, "comment": MARK, "source": MARK})
            http.post(path, headers={"authorization": f"Bearer {MARK}"}, content=MARK)
        http.get(f"/admin/decisions/{MARK}")
        http.get("/admin/decisions", params={"router_id": MARK, "cursor": MARK})
        scored = {"completion_id": post(gateway, "rtr_default").json()["id"], "score": 1, "comment": hostile}
        http.post("/feedback", json={**scored, "metadata": {MARK: MARK}}).raise_for_status()
    last = post(gateway, "rtr_default").headers["x-request-id"]
    line_of(gateway, last, "answered")
    told = gateway.output
    assert len(asked) == 28
    assert {line["model"] for line in lines(gateway) if line["event"] == "attempt_failed"} >= {
        f"echo/{status}" for status in STATUSES if status != 200
    }
    for word in (MARK, PROVIDER_KEY, gateway.key, "sk-provider"):
        assert word not in told, [line for line in told.splitlines() if word in line]
    assert all(json.loads(line) for line in told.splitlines() if line.startswith("{"))


def test_a_flood_of_one_failure_is_told_a_few_times_and_then_as_a_number(gateway: GatewayProcess) -> None:
    before = len(lines(gateway))
    with gateway.client() as http:
        for _ in range(300):
            http.post("/rtr_default/chat/completions", headers={"authorization": "Bearer wrong"}, json={})
    wait_until(
        lambda: any(line["event"] == "suppressed" and "invalid_api_key" in line["of"] for line in lines(gateway)),
        "the flood is told as a number",
    )
    told = lines(gateway)[before:]
    assert len([line for line in told if line.get("code") == "invalid_api_key"]) <= 40
    numbers = [line["count"] for line in told if line["event"] == "suppressed" and "invalid_api_key" in line["of"]]
    assert sum(numbers) >= 200


def test_levels_and_forms_are_set_by_file_and_by_flag(tmp_path: Path) -> None:
    quiet = 'listen = "127.0.0.1:0"\nlog_level = "warning"\nlog_format = "console"\n'
    with GatewayProcess(tmp_path, quiet) as gateway:
        with gateway.client() as http:
            http.post("/rtr_default/chat/completions", json={"model": "dari/routing", "messages": MESSAGES})
            http.post("/rtr_default/chat/completions", json={"model": "dari/routing", "messages": []})
        gateway.stop()
        assert "answered" not in gateway.output
        assert "refused" not in gateway.output


WITHOUT_STDERR = """
import os, sys
os.execv("/bin/sh", ["sh", "-c", 'exec "$0" -m gateway.cli "$@" 2>&-', sys.executable, *sys.argv[1:]])
"""


def test_a_gateway_without_a_stderr_serves_and_writes_lines_nowhere(tmp_path: Path) -> None:
    configuration = 'listen = "127.0.0.1:0"\ndrain_seconds = 0\n'
    with GatewayProcess(tmp_path, configuration, launcher=("-c", WITHOUT_STDERR)) as gateway:
        assert post(gateway, "rtr_default").status_code == 200
        assert gateway.stop() == 0
    for path in tmp_path.rglob("*"):
        assert b'"event"' not in path.read_bytes(), path


STUCK = """
import os, sys
os.dup2(os.open("stuck", os.O_RDWR), 2)
from gateway.cli import main
sys.exit(main())
"""


def test_a_log_that_nobody_reads_delays_no_request(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "stuck")
    configuration = 'listen = "127.0.0.1:0"\nlog_level = "debug"\ndrain_seconds = 0\n'
    with GatewayProcess(tmp_path, configuration, launcher=("-c", STUCK)) as gateway:
        with gateway.client() as http:
            for _ in range(600):  # 100 KB of lines: a pipe holds 64
                assert http.get("/rtr_default/models").status_code == 200
        assert post(gateway, "rtr_default").status_code == 200
        written = 'bandit_gateway_log_lines_total{level="info",result="written"}'
        scraped = httpx.get(f"{gateway.url}/metrics", trust_env=False).text
        assert float(re.search(re.escape(written) + r" (\S+)", scraped)[1]) < 600.0  # type: ignore[index]  # it is there
        assert gateway.stop() == 0
