"""Checks the URLs of providers and proxies."""

import ipaddress
import re
from urllib.parse import urlsplit

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_RIGHT = "must be a URL like https://api.example.com/v1"


def bad_url(url: str) -> str | None:
    """Why requests can't be sent to a URL, in words; None if they can."""
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


def bad_proxy(url: str) -> str | None:
    """Why a proxy of the environment can't be used, without its password; None if it can."""
    found = url if "://" in url else f"http://{url}"
    if found.startswith("http://") and bad_url(found) is None:
        return None
    return "must be an http:// URL like http://proxy.example.com:3128 (proxies of other kinds are not supported)"


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
