"""Refuses forms that another site's page makes a browser send with its cookie (CSRF)."""

from fastapi import Request

from gateway.errors import InsufficientScope


def refuse_cross_site(request: Request) -> None:
    """Let a form pass only if one of our own pages sent it. Raises InsufficientScope.

    SameSite=Strict keeps the cookie from other sites already; this also covers other ports and hosts of the same site.
    """
    site = request.headers.get("sec-fetch-site")
    # Browsers leave Sec-Fetch-Site out of plain HTTP, but for localhost; they send Origin with every POST.
    own = site == "same-origin" if site else request.headers.get("origin") == _origin(request)
    if not own:
        raise InsufficientScope("this form was not sent by a page of this gateway", code="cross_site")


def _origin(request: Request) -> str:
    """Scheme, host and port as the browser named them; a proxy that ends TLS keeps the Host header."""
    sent = request.headers.get("origin", "")
    scheme = "https" if sent.startswith("https://") else request.url.scheme
    return f"{scheme}://{request.headers.get('host', '')}"
