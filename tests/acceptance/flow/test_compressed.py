"""Compressed requests over HTTP: completions, the Responses API and feedback take gzip."""

import gzip
import json
from typing import Any

import httpx
import pytest

from tests.support.gateway import Running

CHAT = {"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}


def post(running: Running, path: str, content: bytes, encoding: str = "gzip") -> httpx.Response:
    with running.http() as http:
        headers = {"content-type": "application/json", "content-encoding": encoding}
        return http.post(path, content=content, headers=headers)


def packed(body: dict[str, Any]) -> bytes:
    return gzip.compress(json.dumps(body).encode(), mtime=0)


def test_gzip_is_read_wherever_json_is(running: Running) -> None:
    answer = post(running, "/rtr_good/chat/completions", packed(CHAT))
    assert answer.status_code == 200, answer.text
    response = post(running, "/rtr_good/responses", packed({"model": "dari/routing", "input": "Hi"}))
    assert response.status_code == 200, response.text
    score = post(running, "/feedback", packed({"completion_id": answer.json()["id"], "score": 1}))
    assert (score.status_code, score.json()["status"]) == (200, "recorded")


@pytest.mark.parametrize(
    ("content", "encoding", "status", "code", "told"),
    [
        (packed(CHAT)[:-3], "gzip", 400, "invalid_request", "cut off"),
        (json.dumps(CHAT).encode(), "gzip", 400, "invalid_request", "not valid gzip"),
        (packed(CHAT), "br", 415, "unsupported_media_type", "gzip or none, not br"),
        (gzip.compress(bytes(2**25), mtime=0), "gzip", 413, "request_too_large", "when it is decompressed"),
        (gzip.compress(b"", mtime=0), "gzip", 400, "invalid_json", "not valid JSON"),
        (b"", "gzip", 400, "invalid_request", "cut off"),
    ],
)
def test_what_is_wrong_with_a_compressed_body_is_told(
    content: bytes, encoding: str, status: int, code: str, told: str, running: Running
) -> None:
    answer = post(running, "/rtr_good/chat/completions", content, encoding)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert told in error["message"]


def test_a_large_request_reaches_the_provider_as_it_was_sent(running: Running) -> None:
    messages = [{"role": "user", "content": "word " * 60_000}]
    answer = post(running, "/rtr_good/chat/completions", packed({**CHAT, "messages": messages}))
    assert answer.status_code == 200, answer.text
    sent = running.received.bodies[answer.json()["model"].removeprefix("p/")][-1]
    assert json.loads(sent)["messages"] == messages


def test_a_body_that_comes_in_chunks_without_its_length_is_read(running: Running) -> None:
    content = json.dumps({**CHAT, "messages": [{"role": "user", "content": "word " * 60_000}]}).encode()
    chunks = (content[start : start + 7_000] for start in range(0, len(content), 7_000))
    with running.http() as http:
        headers = {"content-type": "application/json"}
        answer = http.post("/rtr_good/chat/completions", content=chunks, headers=headers)
    assert answer.status_code == 200, answer.text
    sent = running.received.bodies[answer.json()["model"].removeprefix("p/")][-1]
    assert json.loads(sent)["messages"] == json.loads(content)["messages"]
