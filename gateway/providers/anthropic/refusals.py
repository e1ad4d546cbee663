"""Errors for requests that Anthropic's API can't express, so that another model is tried."""

from gateway.providers.upstream.provider import ProviderError, Verdict


def incapable(message: str, param: str | None) -> ProviderError:
    """Error: the API, or this model, lacks what the request needs."""
    summary = "this kind of provider, or this model, lacks what the request needs"
    return ProviderError(Verdict.REFUSED_VALUE, message, param=param, summary=summary)


def no_counterpart(what: str, param: str | None = None) -> ProviderError:
    """Error: the API has no counterpart of a part of the request."""
    return incapable(f"this kind of provider has no counterpart of {what}", param)
