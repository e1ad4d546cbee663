"""API keys: strong, shown once, kept only as a hash."""

import hashlib

from gateway.api_keys import hash_key, new_key


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
