"""API keys: strong, shown once, kept only as a hash."""

import hashlib

import pytest

from bandit.types import Epoch
from gateway.api_keys import Keyring, hash_key, new_key
from gateway.errors import InvalidApiKey
from storage.records import KeyRecord


def test_a_secret_holds_256_random_bits_and_only_its_hash_is_kept() -> None:
    secret, record = new_key("ci", ["routing"], ["rtr_a"], 9.0, now=5.0)
    assert secret.startswith("sk-bg-")
    assert len(secret) == len("sk-bg-") + 43
    assert record.id.startswith("key_")
    assert record.hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(record)
    assert (record.label, record.scopes, record.routers) == ("ci", ("routing",), ("rtr_a",))
    assert (record.created_at, record.expires_at, record.revoked_at) == (5.0, 9.0, None)


def test_no_two_secrets_are_alike() -> None:
    assert len({new_key("a", ["routing"], now=1.0)[0] for _ in range(1_000)}) == 1_000


def test_an_administrator_may_bring_a_secret() -> None:
    secret, record = new_key("admin", ["admin"], now=1.0, secret="my-own-secret-of-mine")
    assert secret == "my-own-secret-of-mine"
    assert record.hash == hash_key(secret)


def key(number: int, revoked_at: float | None = None) -> KeyRecord:
    return KeyRecord(f"key_{number}", hash_key(f"secret {number}"), "", ("routing",), None, 1.0, None, revoked_at)


def known(keyring: Keyring) -> list[int]:
    """The numbers of the keys that are accepted."""
    found = []
    for number in range(6):
        try:
            keyring.authenticate(f"Bearer secret {number}".encode(), Epoch(2.0))
            found.append(number)
        except InvalidApiKey:
            pass
    return found


def test_changed_keys_take_the_place_of_their_former_selves_alone() -> None:
    keyring = Keyring([key(0), key(1), key(2, revoked_at=1.5), key(3)])
    assert known(keyring) == [0, 1, 3]
    keyring.replace({"key_1", "key_3", "key_4", "key_5"}, Keyring([key(1, revoked_at=1.5), key(4)]))
    assert known(keyring) == [0, 4]


def test_all_keys_are_replaced_at_once() -> None:
    keyring = Keyring([key(0), key(1)])
    keyring.replace(None, Keyring([key(1), key(2)]))
    assert known(keyring) == [1, 2]
    keyring.replace({"key_1"}, Keyring())
    assert known(keyring) == [2]
    with pytest.raises(InvalidApiKey):
        keyring.authenticate(None, Epoch(2.0))
