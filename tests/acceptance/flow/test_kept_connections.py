"""What was found for the first request of a connection holds for the next ones no longer than it is true."""

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.gateway import Running
from tests.support.waiting import wait_until

BODY = json.dumps({"model": "dari/routing", "messages": [{"role": "user", "content": "Hi"}]}).encode()


@pytest.fixture
def admin(running: Running) -> Iterator[httpx.Client]:
    with running.http("admin") as http:
        yield http


class Kept:
    """One connection, on which the same request is sent again and again."""

    def __init__(self, running: Running, key: str, router_id: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
        self._path = f"/{router_id}/chat/completions"
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        self.socket: object = None

    def ask(self) -> tuple[int, dict[str, Any]]:
        """The status and the body of one answer."""
        self._connection.request("POST", self._path, body=BODY, headers=self._headers)
        answer = self._connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
        assert self.socket in {None, self._connection.sock}, "the connection was not kept"
        self.socket = self._connection.sock
        return answer.status, told

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def made(running: Running, admin: httpx.Client) -> Iterator[tuple[str, Kept]]:
    """The id of a new key for the router `rtr_kept`, and a connection on which it has been used."""
    router = {"id": "rtr_kept", "enabled_models": ["p/good-a"]}
    assert admin.post("/admin/routers", json=router).status_code == 201
    key = admin.post("/admin/api-keys", json={"label": "kept", "key_type": "routing"}).json()
    kept = Kept(running, key["secret"], "rtr_kept")
    wait_until(lambda: kept.ask()[0] == 200, "the key and the router are there")
    assert kept.ask()[0] == 200
    yield key["id"], kept
    kept.close()
    admin.delete("/admin/routers/rtr_kept")


def is_refused(kept: Kept, status: int, code: str) -> Callable[[], bool]:
    def asked() -> bool:
        found, told = kept.ask()
        return found == status and told["error"]["code"] == code

    return asked


def test_a_revoked_key_is_refused(admin: httpx.Client, made: tuple[str, Kept]) -> None:
    key_id, kept = made
    admin.delete(f"/admin/api-keys/{key_id}").raise_for_status()
    wait_until(is_refused(kept, 401, "invalid_api_key"), "the key is refused")


@pytest.mark.parametrize("change", [{"scopes": ["feedback"]}, {"routers": ["rtr_good"]}])
def test_a_key_that_may_no_longer_do_it_is_refused(
    admin: httpx.Client, made: tuple[str, Kept], change: dict[str, Any]
) -> None:
    key_id, kept = made
    admin.patch(f"/admin/api-keys/{key_id}", json=change).raise_for_status()
    wait_until(is_refused(kept, 403, "insufficient_scope"), "the key is refused")


def test_a_key_is_limited_as_soon_as_it_has_limits_and_no_longer(admin: httpx.Client, made: tuple[str, Kept]) -> None:
    key_id, kept = made
    admin.patch(f"/admin/api-keys/{key_id}", json={"limits": {"requests_per_minute": 1}}).raise_for_status()
    wait_until(is_refused(kept, 429, "rate_limit_exceeded"), "the key is limited")
    admin.patch(f"/admin/api-keys/{key_id}", json={"limits": None}).raise_for_status()
    wait_until(lambda: kept.ask()[0] == 200, "the key is not limited any more")


def test_a_key_ends_by_the_clock(admin: httpx.Client, made: tuple[str, Kept], running: Running) -> None:
    key_id, kept = made
    now = running.gateway.database.clock.now()
    admin.patch(f"/admin/api-keys/{key_id}", json={"expires_at": now + 1.5}).raise_for_status()
    wait_until(is_refused(kept, 401, "invalid_api_key"), "the key has expired")


def test_a_changed_router_answers_as_it_is_now(admin: httpx.Client, made: tuple[str, Kept]) -> None:
    _, kept = made
    assert kept.ask()[1]["model"] == "p/good-a"
    admin.patch("/admin/routers/rtr_kept", json={"enabled_models": ["p/good-b"]}).raise_for_status()
    wait_until(lambda: kept.ask()[1]["model"] == "p/good-b", "the other model answers")


def test_a_deleted_router_is_not_found(admin: httpx.Client, made: tuple[str, Kept]) -> None:
    _, kept = made
    admin.delete("/admin/routers/rtr_kept").raise_for_status()
    wait_until(is_refused(kept, 404, "router_not_found"), "the router is gone")
