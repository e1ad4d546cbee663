"""Metrics, details of readiness and the documentation: open on this machine, behind a proxy only with an admin key."""

import http.client

import pytest

from tests.support.gateway import Running
from tests.support.waiting import wait_until

CLOSED = ("/metrics", "/docs", "/openapi.json")
LOCAL = {"Host": "127.0.0.1:8790"}
FORWARDED = (
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "Forwarded",
    "X-Real-IP",
    "Via",
    "True-Client-IP",
    "CF-Connecting-IP",
)


def ask(running: Running, path: str, headers: dict[str, str], version: int = 11) -> tuple[int, bytes]:
    """Status and body of a request with exactly these headers."""
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=30)
    connection._http_vsn, connection._http_vsn_str = version, f"HTTP/1.{version % 10}"  # type: ignore[attr-defined]
    try:
        connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1:8790", "localhost", "[::1]:80"])
def test_a_request_of_this_machine_needs_no_key(host: str, running: Running) -> None:
    for path in CLOSED:
        assert ask(running, path, {"Host": host})[0] == 200, path
    assert b"notes" in ask(running, "/readyz", {"Host": host})[1]


@pytest.mark.parametrize("header", FORWARDED)
def test_a_request_that_a_proxy_passes_on_needs_an_admin_key(header: str, running: Running) -> None:
    headers = {**LOCAL, header: "127.0.0.1"}
    key = {"Authorization": f"Bearer {running.keys['admin']}"}
    for path in CLOSED:
        assert ask(running, path, headers)[0] == 401, path
        assert ask(running, path, {**headers, **key})[0] == 200, path
    status, body = ask(running, "/readyz", headers)
    assert (status, b"notes" in body) == (200, False)
    assert b"notes" in ask(running, "/readyz", {**headers, **key})[1]


def test_metrics_of_all_routers_are_not_for_a_key_of_some(running: Running) -> None:
    with running.http("admin") as http:
        made = {"label": "some", "scopes": ["read"], "routers": ["rtr_second"]}
        secret = http.post("/admin/api-keys", json=made).json()["secret"]
    headers = {**LOCAL, "X-Forwarded-For": "127.0.0.1", "Authorization": f"Bearer {secret}"}
    wait_until(lambda: ask(running, "/docs", headers)[0] == 200, "the key works")
    assert ask(running, "/metrics", headers)[0] == 403


@pytest.mark.parametrize("host", [None, "", "evil.example", "127.0.0.1.evil.example", "gateway"])
def test_a_request_without_a_local_host_needs_an_admin_key(host: str | None, running: Running) -> None:
    version = 10 if host is None else 11  # HTTP/1.1 has no request without a Host
    for path in CLOSED:
        assert ask(running, path, {} if host is None else {"Host": host}, version)[0] == 401, path


def test_http_1_0_as_nginx_speaks_it_by_default_needs_an_admin_key(running: Running) -> None:
    """nginx's `proxy_pass` alone sends its own address as Host, and no header that tells of the client."""
    assert ask(running, "/metrics", LOCAL, version=10)[0] == 401
