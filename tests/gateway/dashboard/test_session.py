"""A session is as good as its key, and nobody can make one up."""

import pytest

from bandit.types import Epoch
from gateway.api_keys import Keyring, new_key
from gateway.dashboard.session import SESSION_SECONDS, Sessions, make_link, take_link
from storage.database.engine import Database
from storage.records import KeyRecord
from storage.stores.keys import Keys
from storage.stores.sign_in import LINK_SECONDS, SignIn

NOW = Epoch(1_000_000.0)


def key(scope: str = "admin", expires_at: float | None = None) -> KeyRecord:
    return new_key("me", (scope,), None, expires_at, now=NOW)[1]


def visited(sessions: Sessions, cookie: str, now: float = NOW) -> KeyRecord | None:
    return sessions.key_of({sessions.name(secure=False): cookie}, Epoch(now), secure=False)


def test_a_session_ends_after_twelve_hours() -> None:
    mine = key()
    sessions = Sessions(b"secret", Keyring([mine]))
    cookie = sessions.begin(mine.id, NOW)
    assert visited(sessions, cookie, NOW + SESSION_SECONDS - 1) == mine
    assert visited(sessions, cookie, NOW + SESSION_SECONDS) is None


def test_a_session_ends_with_its_key() -> None:
    mine, ending = key(), key(expires_at=NOW + 60.0)
    keyring = Keyring([mine, ending])
    sessions = Sessions(b"secret", keyring)
    cookie = sessions.begin(mine.id, NOW)
    keyring.replace([mine.id], Keyring())
    assert visited(sessions, cookie) is None
    assert visited(sessions, sessions.begin(ending.id, NOW), NOW + 61.0) is None


def test_a_key_that_may_neither_read_nor_administer_has_no_session() -> None:
    mine = key("routing")
    sessions = Sessions(b"secret", Keyring([mine]))
    assert visited(sessions, sessions.begin(mine.id, NOW)) is None


@pytest.mark.parametrize("change", ["key", "expiry", "nonce", "signature", "empty", "long", "other secret", "unicode"])
def test_a_forged_cookie_has_no_session(change: str) -> None:
    mine, other = key(), key()
    sessions = Sessions(b"secret", Keyring([mine, other]))
    key_id, expires, nonce, signature = sessions.begin(mine.id, NOW).split(".")
    forged = {
        "key": f"{other.id}.{expires}.{nonce}.{signature}",
        "expiry": f"{key_id}.{int(expires) + 1}.{nonce}.{signature}",
        "nonce": f"{key_id}.{expires}.{nonce}0.{signature}",
        "signature": f"{key_id}.{expires}.{nonce}.{signature[:-1]}{'0' if signature[-1] != '0' else '1'}",
        "empty": "",
        "long": "a." * 400,
        "other secret": Sessions(b"another", Keyring([mine])).begin(mine.id, NOW),
        "unicode": f"{key_id}.{expires}.{nonce}.é",
    }[change]
    assert visited(sessions, forged) is None


def test_gateways_of_two_ledgers_on_one_host_have_cookies_of_their_own() -> None:
    one, two = Sessions(b"one", Keyring()), Sessions(b"two", Keyring())
    assert one.name(secure=False) != two.name(secure=False)
    assert one.name(secure=True) == f"__Host-{one.name(secure=False)}"


def test_a_link_signs_in_once_and_for_ten_minutes(database: Database) -> None:
    store, mine = SignIn(database), key()
    assert make_link(database, NOW) is None  # without a key that administers everything
    Keys(database).add(key("routing"))
    Keys(database).add(mine)
    first = store.ensure_secret(NOW)
    assert store.ensure_secret(NOW) == first
    assert len(first) == 32

    one, two = (str(make_link(database, NOW)).removeprefix("/sign-in?once=") for _ in range(2))
    assert take_link(database, one, NOW) == mine.id
    assert take_link(database, one, NOW) is None
    assert take_link(database, two, Epoch(NOW + LINK_SECONDS + 1.0)) is None
    assert take_link(database, "made up", NOW) is None
