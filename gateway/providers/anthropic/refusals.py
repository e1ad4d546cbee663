"""What Anthropic's API has no counterpart of is refused by us, so that another model is asked."""

from bandit.types import Ending
from gateway.providers.upstream.provider import ProviderError


def incapable(message: str, param: str | None) -> ProviderError:
    """The request needs what this API, or this model, does not have."""
    return ProviderError(Ending.INCAPABLE, message, param=param)


def no_counterpart(what: str, param: str | None = None) -> ProviderError:
    """The API has no words for a part of the request."""
    return incapable(f"this kind of provider has no counterpart of {what}", param)
