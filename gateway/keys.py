"""API keys: made here, shown once, and kept only as their SHA-256."""

import hashlib
import secrets
from collections.abc import Sequence

from gateway.ids import new_id
from storage.records import KeyRecord

SCOPES = ("routing", "feedback", "admin")
PREFIX = "sk-bg-"


def new_key(
    label: str,
    scopes: Sequence[str],
    routers: Sequence[str] | None = None,
    expires_at: float | None = None,
    *,
    now: float,
    secret: str | None = None,
) -> tuple[str, KeyRecord]:
    """A key's secret, to be shown once, and the record that is kept. `routers` None: all of them.

    A given `secret` is somebody's own (an administrator's from the environment); else 256 random bits.
    """
    secret = secret or PREFIX + secrets.token_urlsafe(32)
    record = KeyRecord(
        id=new_id("key", now),
        hash=hash_key(secret),
        label=label,
        scopes=tuple(scopes),
        routers=None if routers is None else tuple(routers),
        created_at=now,
        expires_at=expires_at,
    )
    return secret, record


def hash_key(secret: str) -> str:
    """SHA-256 in hex. No salt, no stretching: the secret is 256 random bits, and every request looks it up."""
    return hashlib.sha256(secret.encode()).hexdigest()
