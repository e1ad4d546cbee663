"""Who is calling, and what they may do: API keys in memory, looked up by their hash."""

from collections.abc import Iterable

from gateway.errors import InsufficientScope, InvalidApiKey
from gateway.keys import hash_key
from storage.records import KeyRecord


class Keyring:
    """All live keys. Checked before anything else, so that nobody learns which routers exist."""

    def __init__(self, keys: Iterable[KeyRecord] = ()) -> None:
        self._by_hash: dict[str, KeyRecord] = {}
        self.replace(keys)

    def replace(self, keys: Iterable[KeyRecord]) -> None:
        """Take another set of keys, at once."""
        self._by_hash = {key.hash: key for key in keys if key.revoked_at is None}

    def authenticate(self, authorization: bytes | None, now: float) -> KeyRecord:
        """The key behind an `Authorization` header. Raises InvalidApiKey."""
        if authorization is None:
            raise InvalidApiKey("no API key: send `Authorization: Bearer KEY`", should_retry=False)
        scheme, _, secret = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not secret:
            raise InvalidApiKey("the Authorization header must read `Bearer KEY`", should_retry=False)
        key = self._by_hash.get(hash_key(secret.strip().decode("latin-1")))
        if key is None:
            raise InvalidApiKey("this API key is unknown or revoked", should_retry=False)
        if key.expires_at is not None and key.expires_at <= now:
            raise InvalidApiKey("this API key has expired", should_retry=False)
        return key


def require(key: KeyRecord, scopes: tuple[str, ...], router_id: str | None = None) -> None:
    """Refuse a key without any of the scopes, or of other routers. Raises InsufficientScope."""
    if not any(scope in key.scopes for scope in scopes):
        wanted = " or ".join(f"`{scope}`" for scope in scopes)
        raise InsufficientScope(f"this API key lacks the scope {wanted}", should_retry=False)
    if router_id is not None and key.routers is not None and router_id not in key.routers:
        raise InsufficientScope("this API key may not use this router", should_retry=False)
