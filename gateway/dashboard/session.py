"""Sessions of the dashboard: a signed cookie that names an API key, and one-time links that start one."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from bandit.types import Epoch
from gateway.api_keys import READERS, Keyring
from storage.database.engine import Database
from storage.records import KeyRecord
from storage.stores.keys import Keys
from storage.stores.sign_in import SignIn

SESSION_SECONDS = 12 * 3_600
LONGEST_COOKIE = 512


class Sessions:
    """Makes and checks session cookies. The server keeps nothing: all processes of a ledger share the secret.

    A cookie is `KEY.EXPIRES.NONCE.HMAC`. It is as good as its key, which is looked up each time: revoking the key ends
    the session.
    """

    def __init__(self, secret: bytes, keyring: Keyring) -> None:
        self._secret = secret
        self._keyring = keyring
        # Browsers send cookies to every port of a host: two gateways on one machine must not overwrite one another's.
        self._name = f"bandit_gateway_{self._sign('name')[:8]}"

    def name(self, *, secure: bool) -> str:
        """The cookie's name; with TLS browsers then see to it that no other host has set it."""
        return f"__Host-{self._name}" if secure else self._name

    def begin(self, key_id: str, now: Epoch) -> str:
        """A new cookie's value."""
        signed = f"{key_id}.{int(now) + SESSION_SECONDS}.{secrets.token_hex(8)}"
        return f"{signed}.{self._sign(signed)}"

    def key_of(self, cookies: Mapping[str, str], now: Epoch, *, secure: bool) -> KeyRecord | None:
        """The live key of a request's session; None if it has none, or its cookie is forged or has expired."""
        cookie = cookies.get(self.name(secure=secure), "")
        signed, _, signature = cookie.rpartition(".")
        parts = signed.split(".")
        if len(cookie) > LONGEST_COOKIE or len(parts) != 3 or not cookie.isascii():
            return None
        if not hmac.compare_digest(signature, self._sign(signed)) or int(parts[1]) <= now:
            return None
        key = self._keyring.get(parts[0], now)
        return key if key is not None and any(scope in key.scopes for scope in READERS) else None

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def make_link(database: Database, now: Epoch) -> str | None:
    """Path and query of a link that signs in once: with the oldest key that administers everything, if there is one."""
    live = [key for key in Keys(database).all() if key.revoked_at is None and (key.expires_at or now + 1) > now]
    key = next((key for key in live if "admin" in key.scopes and key.routers is None), None)
    if key is None:
        return None
    token = secrets.token_urlsafe(24)
    SignIn(database).add_link(_hash(token), key.id, now)
    return f"/sign-in?once={token}"


def take_link(database: Database, token: str, now: Epoch) -> str | None:
    """Use up a sign-in link; the id of its key, or None if it was used before or has expired."""
    return SignIn(database).take_link(_hash(token), now)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
