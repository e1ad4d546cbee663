"""Web addresses: what is wrong with one, and whether it is this machine's own."""

import ipaddress
import re
from urllib.parse import urlsplit

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_RIGHT = "must be a URL like https://api.example.com/v1"


def bad_url(url: str) -> str | None:
    """Why nothing can be asked at a URL, in words for a person; None if something can."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        return f"{_RIGHT}, in ASCII (other names in their xn-- form) and without spaces or control characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{_RIGHT} ({error})"
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        return _RIGHT
    if ":" not in host and (len(host) > 253 or not _HOST.fullmatch(host)):
        return f"{_RIGHT}: no host can have this name"
    return None


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return address.is_loopback or address.is_unspecified
