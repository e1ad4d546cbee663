"""What the OpenAPI document says of answers is what is answered."""

import httpx
import pytest

from tests.support.gateway import Running


@pytest.mark.parametrize(
    ("method", "path", "content", "operation"),
    [
        ("POST", "/feedback", b"", "/feedback"),
        ("POST", "/feedback", b"[]", "/feedback"),
        ("POST", "/feedback", b'{"completion_id":"","score":1}', "/feedback"),
        ("GET", "/rtr_none/models", b"", "/{router_id}/models"),
        ("GET", "/rtr_none/models/a", b"", "/{router_id}/models/{model}"),
        ("GET", "/metrics", b"", "/metrics"),
        ("GET", "/readyz", b"", "/readyz"),
    ],
)
@pytest.mark.parametrize("key", ["admin", "unknown"])
def test_the_status_and_the_content_type_of_an_answer_are_documented(
    running: Running, method: str, path: str, content: bytes, operation: str, key: str
) -> None:
    with running.http("admin") as http:
        documented = http.get("/openapi.json").json()["paths"][operation][method.lower()]["responses"]
        headers = {"content-type": "application/json"} if content else {}
        if key == "unknown":
            headers |= {"authorization": "Bearer unknown", "x-forwarded-for": "192.0.2.1"}
        answer = http.request(method, path, content=content, headers=headers)
    assert str(answer.status_code) in documented, answer.text
    if answer.is_success:
        assert answer.headers["content-type"].partition(";")[0] in documented["200"]["content"]


def test_a_method_that_is_not_allowed_is_told_with_those_that_are(running: Running) -> None:
    with running.http("admin") as http:
        answer: httpx.Response = http.request("TRACE", "/admin/api-keys")
    assert (answer.status_code, answer.headers.get("allow") is not None) == (405, True)
