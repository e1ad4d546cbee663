"""Whose fault is it? One table from what a provider did to the ending of the attempt, and so to what is done next."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from bandit.types import Ending
from gateway.providers.http.errors import Fault, TransportError
from gateway.providers.upstream.error_bodies import Refusal
from gateway.providers.upstream.provider import ProviderError

_KEY = "check the provider's api_key"
_MONEY = "add credit to the provider's account"
_NAME = "check the model's name and the provider's base_url"
_PLACE = "check the provider's base_url"
CONTEXT_LENGTH = "context_length_exceeded"


@dataclass(frozen=True, slots=True)
class Rule:
    """Fits a status and, where given, one of the codes or the words of the message. `remedy`: what to mend."""

    statuses: Collection[int]
    ending: Ending
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    remedy: str = ""
    code: str | None = None

    def fits(self, refusal: Refusal) -> bool:
        """Whether this rule says what the refusal means."""
        if refusal.status not in self.statuses:
            return False
        if not self.codes and self.words is None:
            return True
        return not self.codes.isdisjoint(refusal.codes) or bool(self.words and self.words.search(refusal.message))


_CALLER = (400, 413, 422)

RULES: tuple[Rule, ...] = (
    # Our key, our money, our model's name: told in other ways than by the status.
    Rule(
        (400, 401, 403, 422),
        Ending.MISCONFIGURED,
        frozenset({"invalid_api_key", "api_key_invalid", "invalid_authentication"}),
        re.compile(r"(?i)^(incorrect|invalid) api[ _-]?key|^api[ _-]?key (not valid|expired|is invalid)"),
        _KEY,
    ),
    Rule(
        (400, 403, 429),
        Ending.MISCONFIGURED,
        frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error"}),
        re.compile(r"(?i)^your credit balance is too low"),
        _MONEY,
    ),
    Rule(
        (400, 404, 422),
        Ending.MISCONFIGURED,
        frozenset({"model_not_found", "invalid_model", "model_decommissioned", "unknown_model", "deploymentnotfound"}),
        re.compile(r"(?i)^invalid model\b|is not a valid model id"),
        _NAME,
    ),
    # A refusal of what the caller said, though the status is one of permission.
    Rule((403,), Ending.REJECTED, frozenset({"content_filter", "moderation"}), re.compile(r"(?i)\bflagged\b")),
    # What another model may well be able to do.
    Rule(
        _CALLER,
        Ending.INCAPABLE,
        frozenset({CONTEXT_LENGTH, "exceed_context_size_error", "model_max_prompt_tokens_exceeded"}),
        re.compile(
            r"(?i)context (length|window|size)|prompt is too long|too many (input |prompt )?tokens|input is too long"
            r"|input length and `?max_tokens|request too large for model|exceeds? the (model'?s )?max\w* .{0,20}tokens"
        ),
        code=CONTEXT_LENGTH,
    ),
    Rule((404,), Ending.INCAPABLE, words=re.compile(r"(?i)no endpoints found that (can handle|support)")),
    Rule(
        (400, 422),
        Ending.INCAPABLE,
        frozenset({"unsupported_parameter", "unsupported_value", "unknown_parameter", "extra_forbidden"}),
        re.compile(
            r"(?i)unsupported (parameter|value|argument)|unrecognized (request argument|key|field|parameter)"
            r"|unknown (parameter|field|name)|extra inputs are not permitted|property '[^']+' is unsupported"
            r"|model\b.{0,80}\b(does not|doesn't|cannot|can't) support"
            r"|\b(does not|doesn't) support (tools?|functions?|images?|vision|audio|json|streaming|system)\b"
            r"|(not supported|not available|deprecated) (by|with|for|on|in) (this |the )?\S* ?model"
            r"|(parameter|argument|field)\b.{0,60}\bnot (supported|permitted|allowed)"
        ),
    ),
    # The model's own failure, told as if the caller had made it.
    Rule((400, 422), Ending.FAILED, frozenset({"json_validate_failed", "tool_use_failed", "output_parse_failed"})),
    Rule(_CALLER, Ending.REJECTED),
    Rule((401,), Ending.MISCONFIGURED, remedy=_KEY),
    Rule((402,), Ending.MISCONFIGURED, remedy=_MONEY),
    Rule((403,), Ending.MISCONFIGURED, remedy="check what the provider's api_key may use"),
    Rule((404, 405, 410), Ending.MISCONFIGURED, remedy=_NAME),
    Rule(range(300, 400), Ending.MISCONFIGURED, remedy=_PLACE + " (it redirects, which is not followed)"),
    Rule((429,), Ending.RATE_LIMITED),
    Rule(range(100, 600), Ending.FAILED),
)
"""The first rule that fits counts. The status decides, except where providers are known to mean something else."""

_NAMED_FIELD = (
    re.compile(r"(?i)(?:unsupported|unrecognized|unknown)[^:'\"`]{0,40}[:\s]\s*['\"`]?([a-z_][\w.]*)"),
    re.compile(r"(?i)^['\"`]?([a-z_][\w.]*)['\"`]?: extra inputs"),
    re.compile(r"(?i)property ['\"`]([a-z_][\w.]*)['\"`]"),
    re.compile(r"(?i)support(?:ed)? (?:the )?(?:parameter |argument |field )?['\"`]?([a-z_][\w.]*)"),
    re.compile(r"(?i)['\"`]([a-z_][\w.]*)['\"`]"),
)
_NEVER_HELD = frozenset({"messages", "model", "stream"})
"""Without these there is no request: a model is not left out for an hour because of one of them."""


def refused(refusal: Refusal, sent: Collection[str] = ()) -> ProviderError:
    """The meaning of a provider's error. `sent` are the request's fields: `param` of an incapable one is among them."""
    rule = next((rule for rule in RULES if rule.fits(refusal)), RULES[-1])
    param, code, status = refusal.field, rule.code or refusal.code, refusal.status
    ending = rule.ending
    if ending in {Ending.REJECTED, Ending.INCAPABLE} and param == "model" and rule.code is None:
        ending, rule = Ending.MISCONFIGURED, Rule((), Ending.MISCONFIGURED, remedy=_NAME)
    message = refusal.message
    match ending:
        case Ending.INCAPABLE:
            param = None if rule.code == CONTEXT_LENGTH else _incapable_of(refusal, sent)
        case Ending.REJECTED:
            status = status if status in _CALLER else 400
        case Ending.MISCONFIGURED if rule.remedy == _KEY:
            # No word of the provider's: some repeat the key.
            message = f"the provider did not accept our key (HTTP {status}); {_KEY}"
        case Ending.MISCONFIGURED:
            message = f"HTTP {status}: {message}; {rule.remedy}"[:500]
        case _:
            message = message if message.startswith("HTTP ") else f"HTTP {status}: {message}"[:500]
    return ProviderError(
        ending, message, status=status, retry_after_seconds=refusal.retry_after_seconds, param=param, code=code
    )


def lost(error: TransportError) -> ProviderError:
    """The meaning of a fault below HTTP's own statuses."""
    ending = Ending.TIMEOUT if error.fault is Fault.TIMEOUT else Ending.FAILED
    return ProviderError(ending, str(error))


def malformed(what: str) -> ProviderError:
    """An answer that is not what was asked for."""
    return ProviderError(Ending.FAILED, f"malformed answer: {what}")


def after_content(error: ProviderError) -> ProviderError:
    """The same fault after the stream has said something: no other model can take over unseen."""
    return ProviderError(Ending.CUT, error.message, status=error.status, code=error.code)


def _incapable_of(refusal: Refusal, sent: Collection[str]) -> str | None:
    """The top-level field that the model can't take; None where it is none of the request's own."""
    named = [refusal.field] if refusal.field else []
    named += [match[1] for pattern in _NAMED_FIELD for match in pattern.finditer(refusal.message)]
    tops = (name.partition(".")[0].partition("[")[0] for name in named)
    return next((top for top in tops if top in sent and top not in _NEVER_HELD), None)
