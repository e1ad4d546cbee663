"""Management calls that name an `Idempotency-Key`, over HTTP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.gateway import Running

KEY = {"label": "made once", "scopes": ["routing"]}


@pytest.fixture
def admin(running: Running) -> Iterator[httpx.Client]:
    with running.http("admin") as http:
        yield http


def named(name: str) -> dict[str, str]:
    return {"idempotency-key": name}


def test_a_call_that_is_sent_again_is_done_once_and_answered_alike(admin: httpx.Client) -> None:
    first = admin.post("/admin/api-keys", json=KEY, headers=named("a"))
    again = admin.post("/admin/api-keys", json=KEY, headers=named("a"))
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.headers["location"] == first.headers["location"]
    assert first.json()["secret"].startswith("sk-bg-")
    assert again.json() == {**first.json(), "secret": None}
    assert "idempotency-replayed" not in first.headers
    gone = [admin.delete(first.headers["location"], headers=named("b")).status_code for _ in range(2)]
    assert gone == [204, 204]


def test_another_request_with_the_same_key_is_refused(admin: httpx.Client) -> None:
    admin.post("/admin/api-keys", json=KEY, headers=named("c")).raise_for_status()
    for method, path, body in (
        ("POST", "/admin/api-keys", {**KEY, "label": "another"}),
        ("POST", "/admin/routers", KEY),
    ):
        refused = admin.request(method, path, json=body, headers=named("c"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_mismatch")
        assert refused.headers["x-should-retry"] == "false"


def test_a_dry_run_does_not_use_its_key_up(admin: httpx.Client) -> None:
    assert admin.post("/admin/api-keys?dry_run=true", json=KEY, headers=named("dry")).is_success
    made = admin.post("/admin/api-keys?dry_run=false", json=KEY, headers=named("dry"))
    assert (made.status_code, made.headers.get("idempotency-replayed")) == (201, None)
    again = admin.post("/admin/api-keys?dry_run=false", json=KEY, headers=named("dry"))
    assert again.headers["idempotency-replayed"] == "true"


def test_what_failed_can_be_corrected_and_sent_again(admin: httpx.Client) -> None:
    assert admin.post("/admin/api-keys", json={"label": ""}, headers=named("d")).status_code == 400
    assert admin.post("/admin/api-keys", json=KEY, headers=named("d")).status_code == 201


def test_a_wrong_name_is_refused_and_an_unknown_key_first(running: Running, admin: httpx.Client) -> None:
    for name in ("", "a b", "x" * 129):
        refused = admin.post("/admin/api-keys", json=KEY, headers=named(name))
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "Idempotency-Key")
    with running.http("routing") as http:
        assert http.post("/admin/api-keys", json=KEY, headers=named("a b")).status_code == 403


def test_of_calls_at_the_same_time_one_is_done_and_the_others_are_told(admin: httpx.Client) -> None:
    def send(_: int) -> httpx.Response:
        return admin.post("/admin/api-keys", json=KEY, headers=named("e"))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert all(
        answer.json()["error"]["code"] == "idempotency_in_progress" for answer in answers if answer.status_code == 409
    )
