"""Decides the verdict on a provider's error, by one table of statuses, codes and wordings.

Only what any request would meet parks a model: one caller's request must not take it from the others.
"""

from collections.abc import Collection
from dataclasses import dataclass

from gateway.providers.http.errors import Fault, TransportError
from gateway.providers.upstream import wordings
from gateway.providers.upstream.error_bodies import Refusal
from gateway.providers.upstream.field_names import OPTIONAL, meant_field, unknown_field
from gateway.providers.upstream.provider import ProviderError, Usage, Verdict
from gateway.providers.upstream.wordings import Wording, says_model_is_unknown

_KEY = "check the provider's api_key"
_MONEY = "add credit to the provider's account, or raise its spending limit"
_NAME = "check the model's name and the provider's base_url"
_PLACE = "check the provider's base_url"
CONTEXT_LENGTH = "context_length_exceeded"
BROKEN_FINISHES = frozenset({"error", "abort", "insufficient_system_resource"})
"""Finish reasons of answers that the provider did not complete."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Verdict for a status and, if given, a wording. `remedy`: what an operator should fix."""

    statuses: Collection[int]
    verdict: Verdict
    wording: Wording | None = None
    remedy: str = ""

    def fits(self, refusal: Refusal) -> bool:
        """Whether this rule applies to a refusal."""
        if refusal.status not in self.statuses:
            return False
        return self.wording is None or self.wording.fits(refusal.codes, refusal.message)


_ASKED = (400, 403, 404, 410, 413, 422)
_CALLER = (400, 413, 422)

RULES: tuple[Rule, ...] = (
    # Refused for safety; some use the status of a permission, and an error inside a 200 may state none.
    Rule((400, 403, 422, 451, 500), Verdict.CONTENT, wordings.SAFETY),
    # The key, the account or the model's name, under a status that says otherwise.
    Rule((400, 401, 403, 422), Verdict.PARKED, wordings.KEY, _KEY),
    Rule((400, 402, 403), Verdict.PARKED, wordings.MONEY, _MONEY),
    Rule((403, 429), Verdict.PARKED, wordings.MONEY_AS_A_RATE, _MONEY),
    Rule(_ASKED, Verdict.PARKED, wordings.MODEL, _NAME),
    Rule((402,), Verdict.RATE_LIMITED, wordings.IN_FLIGHT),
    # What another model may be able to do; some providers use the status of another fault.
    Rule((400, 401, 402, 403, 413, 422, 429, 500), Verdict.TOO_LONG, wordings.TOO_LONG),
    # The model's own failure, under the status of a caller's mistake.
    Rule((400, 422), Verdict.FAILED, wordings.BAD_OUTPUT),
    Rule((400, 402, 404, 422, 500), Verdict.REFUSED_VALUE, wordings.VALUE),
    Rule((401,), Verdict.PARKED, remedy=_KEY),
    Rule((402,), Verdict.PARKED, remedy=_MONEY),
    Rule((405,), Verdict.PARKED, remedy=_PLACE),
    Rule(range(300, 400), Verdict.PARKED, remedy=_PLACE + " (it redirects, which is not followed)"),
    Rule((429,), Verdict.RATE_LIMITED),
    Rule((408, 409, 425, 498, 499), Verdict.FAILED),
    Rule(range(400, 500), Verdict.REFUSED),
    Rule(range(100, 600), Verdict.FAILED),
)
"""The first rule that fits counts. The status decides, except in known cases of another meaning."""

_UNKNOWN_MODEL = Rule(_ASKED, Verdict.PARKED, remedy=_NAME)
_BEFORE_THE_NAME = {Verdict.CONTENT, Verdict.PARKED, Verdict.TOO_LONG}


def refused(refusal: Refusal, sent: Collection[str] = (), model: str = "") -> ProviderError:
    """The error for a refusal. `sent` are the request's fields, `model` is the provider's name of the model."""
    rule = _rule(refusal, model)
    verdict, param, message = rule.verdict, refusal.field, refusal.message
    if verdict is Verdict.REFUSED and meant_field(refusal, sent) in OPTIONAL:
        verdict = Verdict.REFUSED_VALUE
    match verdict:
        case Verdict.REFUSED_VALUE:
            verdict, param = _about_a_field(refusal, sent)
        case Verdict.PARKED if rule.remedy == _KEY:
            # Not in the provider's words: some repeat the key.
            message = f"the provider did not accept our key (HTTP {refusal.status}); {_KEY}"
        case Verdict.PARKED:
            message = f"HTTP {refusal.status}: {message}; {rule.remedy}"[:500]
        case Verdict.RATE_LIMITED | Verdict.FAILED if not message.startswith("HTTP "):
            message = f"HTTP {refusal.status}: {message}"[:500]
    too_long = verdict is Verdict.TOO_LONG
    told = verdict in {Verdict.CONTENT, Verdict.REFUSED} and refusal.status not in _CALLER
    return ProviderError(
        verdict,
        message,
        status=400 if told else refusal.status,
        retry_after_seconds=refusal.retry_after_seconds,
        param=None if too_long else param,
        code=CONTEXT_LENGTH if too_long else refusal.code,
        context_tokens=_context_tokens(refusal) if too_long else None,
        about_key=rule.remedy in {_KEY, _MONEY},
        summary=f"HTTP {refusal.status}" + (f"; {rule.remedy}" if rule.remedy else ""),
    )


def lost(error: TransportError) -> ProviderError:
    """The error for a fault of the transport."""
    verdict = Verdict.TIMEOUT if error.fault is Fault.TIMEOUT else Verdict.FAILED
    return ProviderError(verdict, str(error))


def malformed(what: str) -> ProviderError:
    """The error for an answer that can't be read."""
    return ProviderError(Verdict.FAILED, f"malformed answer: {what}")


def broken_off(finish_reason: str) -> ProviderError:
    """The error for an answer that the provider marks as failed."""
    message = f"the answer ended with the finish reason {finish_reason!r}"
    return ProviderError(Verdict.FAILED, message, summary="the answer ended with a finish reason of failures")


def says_by_itself(finish_reason: str | None) -> bool:
    """Whether a finish reason makes an empty answer a complete one: the length limit, or a content filter."""
    return finish_reason is not None and finish_reason.startswith(("length", "content_filter"))


def empty(usage: Usage | None = None) -> ProviderError:
    """The error for an answer that says nothing; its cost is booked."""
    return ProviderError(Verdict.FAILED, "an empty answer: no content, tool call, refusal or reasoning", usage=usage)


def after_content(error: ProviderError) -> ProviderError:
    """The same error after the stream's first content, when no other model can take over."""
    return ProviderError(
        Verdict.CUT, error.message, status=error.status, code=error.code, usage=error.usage, summary=error.summary
    )


def _rule(refusal: Refusal, model: str) -> Rule:
    rule = next((rule for rule in RULES if rule.fits(refusal)), RULES[-1])
    if rule.verdict in _BEFORE_THE_NAME or refusal.status not in _ASKED:
        return rule
    # A field alone says little: a model may be unfit for what the request asks of it.
    named = refusal.field == "model" and rule.verdict is Verdict.REFUSED
    named = named or says_model_is_unknown(refusal.message, model)
    return _UNKNOWN_MODEL if named else rule


def _about_a_field(refusal: Refusal, sent: Collection[str]) -> tuple[Verdict, str | None]:
    """Which field is meant, and whether it is unknown or its value refused."""
    unknown = unknown_field(refusal, sent)
    if unknown is not None:
        return Verdict.UNKNOWN_FIELD, unknown
    param = meant_field(refusal, sent)
    if refusal.status == 402 and param is None:
        return Verdict.REFUSED, None  # the model's own limit can't be paid for, and no field of the request names it
    return Verdict.REFUSED_VALUE, param


def _context_tokens(refusal: Refusal) -> int | None:
    if refusal.context_tokens is not None:
        return refusal.context_tokens
    match = wordings.CONTEXT_TOKENS.search(refusal.message)
    return int(next(filter(None, match.groups())).replace(",", "")) if match else None
