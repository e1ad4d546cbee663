"""What the flow finds for a head is what it would find anew, however keys, routers, prices and the clock change."""

from types import SimpleNamespace
from typing import Any

import pytest

from bandit.types import Epoch
from gateway.api_keys import Keyring, hash_key
from gateway.asgi import Head
from gateway.errors import InsufficientScope, InvalidApiKey, RouterNotFound, RouterUnreadable
from gateway.flow import Flow, Limits
from storage.records import KeyRecord

AUTHORIZATION = b"Bearer secret"


def key(
    scopes: tuple[str, ...] = ("routing",),
    routers: tuple[str, ...] | None = None,
    expires_at: float | None = None,
) -> KeyRecord:
    return KeyRecord("key_1", hash_key("secret"), "", scopes, routers, 1.0, expires_at)


class Entering:
    """A flow that is asked for one head again and again, at the time `now`."""

    def __init__(self, record: KeyRecord) -> None:
        self.now = 10.0
        self.repriced: list[float] = []
        self.routers: dict[str, Any] = {"rtr_a": object(), "rtr_b": object()}
        self.unreadable: dict[str, str] = {}
        self.keyring = Keyring([record])
        registry: Any = SimpleNamespace(routers=self.routers, unreadable=self.unreadable, reprice=self.repriced.append)
        services: Any = SimpleNamespace(
            clock=lambda: Epoch(self.now), loop_clock=None, observer=SimpleNamespace(tracing=None)
        )
        nothing: Any = None
        limiter: Any = SimpleNamespace(of=lambda _: None)
        self._flow = Flow(
            self.keyring,
            registry,
            services,
            Limits(),
            admission=nothing,
            bodies=nothing,
            may_be_spooled=nothing,
            is_kept_aside=nothing,
            limiter=limiter,
            unmatched=nothing,
            request_ids=nothing,
        )
        self.head = Head({b"authorization": AUTHORIZATION})

    def enter(self, router_id: str = "rtr_a") -> tuple[KeyRecord, object]:
        """What is found for the head, which is what is found for a new one."""
        entry = self._flow._enter(self.head, router_id, Epoch(self.now))
        found = entry.key, entry.router
        assert found == self._flow.authenticate(AUTHORIZATION, router_id)
        return found


@pytest.fixture
def entering() -> Entering:
    entering = Entering(key())
    for _ in range(3):
        entering.enter()
    return entering


def test_the_key_is_looked_up_once_and_its_uses_are_noted(entering: Entering, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[bytes | None] = []
    monkeypatch.setattr(entering.keyring, "authenticate", lambda header, _: looked_up.append(header))
    entering.keyring.take_uses()
    entering.now = 11.0
    entering._flow._enter(entering.head, "rtr_a", Epoch(11.0))
    assert not looked_up
    assert entering.keyring.take_uses() == {"key_1": 11.0}


def test_a_revoked_key_is_refused(entering: Entering) -> None:
    entering.keyring.replace({"key_1"}, Keyring())
    with pytest.raises(InvalidApiKey, match="revoked"):
        entering.enter()


@pytest.mark.parametrize("changed", [key(scopes=("feedback",)), key(routers=("rtr_b",))])
@pytest.mark.parametrize("everything", [True, False])
def test_a_key_that_lost_the_right_is_refused(entering: Entering, changed: KeyRecord, everything: bool) -> None:
    entering.keyring.replace(None if everything else {"key_1"}, Keyring([changed]))
    with pytest.raises(InsufficientScope):
        entering.enter()


def test_a_changed_key_is_the_one_that_is_found(entering: Entering) -> None:
    changed = key(routers=("rtr_a",))
    entering.keyring.replace({"key_1"}, Keyring([changed]))
    assert entering.enter()[0] is changed


def test_a_key_expires_by_the_clock_and_is_back_if_that_is_set_back() -> None:
    entering = Entering(key(expires_at=20.0))
    entering.enter()
    entering.now = 20.0
    with pytest.raises(InvalidApiKey, match="expired"):
        entering.enter()
    entering.now = 19.0
    entering.enter()


def test_a_key_that_was_lent_for_a_time_is_refused_after_it() -> None:
    entering = Entering(key())
    with entering.keyring.lent(key()) as authorization:
        head = Head({b"authorization": authorization})
        for _ in range(2):
            entering._flow._enter(head, "rtr_a", Epoch(10.0))
    with pytest.raises(InvalidApiKey):
        entering._flow._enter(head, "rtr_a", Epoch(10.0))


def test_a_router_that_was_replaced_is_found_as_it_is_now(entering: Entering) -> None:
    entering.routers["rtr_a"] = changed = object()
    assert entering.enter()[1] is changed


def test_another_router_is_not_the_one_before(entering: Entering) -> None:
    assert entering.enter("rtr_b")[1] is entering.routers["rtr_b"]


def test_a_router_that_is_gone_is_not_found(entering: Entering) -> None:
    del entering.routers["rtr_a"]
    with pytest.raises(RouterNotFound):
        entering.enter()
    entering.unreadable["rtr_a"] = "why"
    with pytest.raises(RouterUnreadable):
        entering.enter()


def test_prices_are_those_of_each_request_s_time(entering: Entering) -> None:
    entering.repriced.clear()
    entering.now = 12.0
    entering._flow._enter(entering.head, "rtr_a", Epoch(12.0))
    assert entering.repriced == [12.0]
