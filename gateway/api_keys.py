"""API keys: shown once, stored only as SHA-256, and looked up in memory for every request."""

import contextlib
import hashlib
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence

from bandit.types import Epoch
from gateway.errors import GatewayError, InsufficientScope, InvalidApiKey
from gateway.ids import new_id
from storage.records import NO_LIMITS, KeyLimits, KeyRecord

SCOPES = ("routing", "feedback", "read", "admin")
"""What a key may do: complete, score, read what the management API shows, and everything."""
READERS = ("admin", "read")
"""Scopes of which one is enough to read what the management API and the dashboard show."""
EVERYTHING = ("routing", "feedback", "admin")
"""The scopes of a key that may do everything: `admin` includes `read`."""
PREFIX = "sk-bg-"
MOST_HEADERS = 100_000
"""Headers of live keys that are remembered; callers choose their spaces and capitals."""
SHOWN_CHARACTERS = 4
"""Of a secret after its prefix: enough to tell keys apart, of no use to guess the rest."""


def new_key(
    label: str,
    scopes: Sequence[str],
    routers: Sequence[str] | None = None,
    expires_at: float | None = None,
    *,
    now: float,
    secret: str | None = None,
    created_by: str | None = None,
    limits: KeyLimits = NO_LIMITS,
) -> tuple[str, KeyRecord]:
    """A new key's secret, which is shown once, and its record. `routers` None: all of them.

    `secret`: one that the administrator chose, from the environment; by default 256 random bits.
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
        prefix=_shown_prefix(secret),
        created_by=created_by,
        limits=limits,
    )
    return secret, record


def _shown_prefix(secret: str) -> str | None:
    """The characters that are shown; None for an administrator's own secret, which may be short."""
    return secret[: len(PREFIX) + SHOWN_CHARACTERS] if secret.startswith(PREFIX) else None


def hash_key(secret: str) -> str:
    """SHA-256 in hex."""
    # No salt and no stretching: the secret is 256 random bits, and every request computes this.
    return hashlib.sha256(secret.encode()).hexdigest()


class Keyring:
    """All live keys, by hash. Not thread-safe, but for `take_uses`: the event loop alone uses it.

    A request's key is checked before anything else, so that nobody learns which routers exist.
    """

    def __init__(self, keys: Iterable[KeyRecord] = ()) -> None:
        live = [key for key in keys if key.revoked_at is None]
        self._by_header: dict[bytes, KeyRecord] = {}  # by SHA-256 of the whole header, as it was last sent
        self._by_hash = {key.hash: key for key in live}
        self._hashes = {key.id: key.hash for key in live}
        self._used_at: dict[str, Epoch] = {}
        self.revision = 0  # counts the replacements
        self.generation = 0  # another one if a key that was found may be none any more

    def replace(self, key_ids: Collection[str] | None, keys: "Keyring") -> None:
        """Take others in place of the keys of these ids; None: of all keys."""
        self._by_header.clear()
        self.revision += 1
        self.generation += 1
        if key_ids is None:
            self._by_hash, self._hashes = keys._by_hash, keys._hashes
            return
        for key_id in key_ids:
            key_hash = self._hashes.pop(key_id, None)
            if key_hash is not None:
                del self._by_hash[key_hash]
        self._by_hash |= keys._by_hash
        self._hashes |= keys._hashes

    def authenticate(self, authorization: bytes | None, now: Epoch) -> KeyRecord:
        """The key in an `Authorization` header. Raises InvalidApiKey."""
        if authorization is None:
            raise InvalidApiKey("no API key: send `Authorization: Bearer KEY`", should_retry=False)
        digest = hashlib.sha256(authorization).digest()
        key = self._by_header.get(digest)
        if key is None:
            key = self._look_up(authorization)
            if len(self._by_header) < MOST_HEADERS:
                self._by_header[digest] = key
        self.use(key, now)
        return key

    def use(self, key: KeyRecord, now: Epoch) -> None:
        """Note that a key is used which was found in this generation. Raises InvalidApiKey if it has expired."""
        if key.expires_at is not None and key.expires_at <= now:
            raise InvalidApiKey("this API key has expired", should_retry=False)
        self._used_at[key.id] = now

    def get(self, key_id: str, now: Epoch) -> KeyRecord | None:
        """The live key of this id, if there is one."""
        key = self._by_hash.get(self._hashes.get(key_id, ""))
        return None if key is None or (key.expires_at is not None and key.expires_at <= now) else key

    def take_uses(self) -> dict[str, Epoch]:
        """When keys were used last, of those that were used since the last call. Thread-safe."""
        used_at, self._used_at = self._used_at, {}
        return dict(used_at)  # a copy, made at once: the event loop may still add to the former

    @contextlib.contextmanager
    def lent(self, key: KeyRecord) -> Iterator[bytes]:
        """An Authorization header that counts as the key's within the context, for requests of this process itself."""
        authorization = f"Lent {secrets.token_urlsafe(32)}".encode()
        digest = hashlib.sha256(authorization).digest()
        self._by_header[digest] = key
        try:
            yield authorization
        finally:
            self._by_header.pop(digest, None)
            self.generation += 1

    def _look_up(self, authorization: bytes) -> KeyRecord:
        scheme, _, secret = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not secret:
            raise InvalidApiKey("the Authorization header must read `Bearer KEY`", should_retry=False)
        key = self._by_hash.get(hash_key(secret.strip().decode("latin-1")))
        if key is None:
            raise InvalidApiKey("this API key is unknown or revoked", should_retry=False)
        return key

    def has_scope(self, authorization: bytes | None, scopes: tuple[str, ...], now: Epoch) -> bool:
        """Whether an `Authorization` header contains a live key with one of the scopes."""
        try:
            require(self.authenticate(authorization, now), scopes)
        except GatewayError:
            return False
        return True


def require(key: KeyRecord, scopes: tuple[str, ...], router_id: str | None = None) -> None:
    """Check that a key has one of the scopes, and may use the router. Raises InsufficientScope."""
    if scopes[0] not in key.scopes and not any(scope in key.scopes for scope in scopes[1:]):
        wanted = " or ".join(f"`{scope}`" for scope in scopes)
        raise InsufficientScope(f"this API key lacks the scope {wanted}", should_retry=False)
    if router_id is not None and key.routers is not None and router_id not in key.routers:
        raise InsufficientScope("this API key may not use this router", should_retry=False)
