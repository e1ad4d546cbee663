"""Error codes and wordings of providers by meaning, as recorded in tests/gateway/providers/recorded.

A wording with `^` has to begin the message, where no provider quotes its caller.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """Codes (in lower case) and a pattern of the message; either is enough."""

    codes: frozenset[str]
    words: re.Pattern[str]

    def fits(self, codes: frozenset[str], message: str) -> bool:
        """Whether an error with these codes and this message has this meaning."""
        return not self.codes.isdisjoint(codes) or self.words.search(message) is not None


def _either(*alternatives: str) -> re.Pattern[str]:
    return re.compile("(?i)" + "|".join(alternatives))


_OWNER = r"^(?:your|this|the) (?:[\w-]+ )?(?:account|organi[sz]ation|team|project)\b"

SAFETY = Wording(
    frozenset(
        {
            *("content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation"),
            *("data_inspection_failed", "sensitive_words_detected", "cyber_policy_violation"),
        }
    ),
    _either(
        r"\b(?:was|is|been|were) flagged\b",
        r"\bcontent exists risk\b",
        r"\bcontent (?:management|filtering) policy\b",
        r"\bviolat\w+ (?:\w+ )?(?:usage|content|safety) (?:guidelines|polic)",
        r"\bour safety system\b",
        r"\b(?:prohibited|inappropriate)[ _]content\b",
        r"^blocked by a guardrail",
    ),
)
KEY = Wording(
    frozenset(
        {
            *("invalid_api_key", "api_key_invalid", "invalid_authentication", "account_deactivated"),
            *("organization_restricted", "unsupported_country_region_territory", "service_disabled"),
            *("api_key_service_blocked", "api_key_ip_address_blocked", "consumer_suspended"),
        }
    ),
    _either(
        r"^(?:incorrect|invalid) api[ _-]?key",
        r"^(?:your |the )?api[ _-]?key (?:not valid|expired)",
        r"^(?:your |the )?api[ _-]?key (?:used )?(?:is|was) (?:currently )?"
        r"(?:invalid|blocked|reported|disabled|suspended|expired)",
        r"^user location is not supported",
        _OWNER + r".{0,60}\b(?:deactivated|disabled|suspended|restricted|blocked|not active|denied access)\b",
        r"^access denied due to (?:virtual network|invalid subscription)",
        r"\bunregistered callers\b",
        r"^\w+ authentication is (?:currently )?not allowed",
    ),
)
_SPENT = frozenset(
    {
        *("insufficient_quota", "credit_balance_exhausted", "exceeded_current_quota_error", "billing_error"),
        *("billing_hard_limit_reached", "billing_not_active", "billing_disabled", "credit_limit"),
        *("organization_spend_limit_exceeded", "project_spend_limit_exceeded", "spend_limit_reached"),
        *("organization_usage_limit_exceeded", "enforced_spend_limit_reached", "blocked_api_access"),
    }
)
MONEY = Wording(
    _SPENT,
    _either(
        r"^your credit balance is too low",
        r"^insufficient (?:account )?(?:balance|credits?|funds)",
        r"^you(?:'ve| have) (?:reached|exceeded) your (?:[\w-]+ ){0,3}(?:usage|spend(?:ing)?|credit|budget) limits?\b",
        r"^(?:key|credit|billing hard|monthly spend(?:ing)?) limit\b",
        r"^this model requires a subscription",
        _OWNER + r".{0,60}\bdoesn't have any credits",
        r"^your (?:[\w-]+ ){0,3}team doesn't have any credits",
    ),
)
MONEY_AS_A_RATE = Wording(
    _SPENT,
    _either(
        r"used all available credits",
        r"\bmonthly spend(?:ing)? limit\b",
        r"\binsufficient balance\b",
    ),
)
"""Narrower than `MONEY`: a 429 for a limit per minute speaks of usage limits and quotas, too."""
IN_FLIGHT = Wording(frozenset({"openrouter_in_flight_budget"}), _either(r"\bin-flight (?:requests|budget)\b"))
MODEL = Wording(
    frozenset(
        {
            *("model_not_found", "invalid_model", "model_decommissioned", "unknown_model", "model_not_available"),
            *("deploymentnotfound", "model_terms_required"),
        }
    ),
    _either(r"^invalid model\b", r"^model not exist\b"),
)
TOO_LONG = Wording(
    frozenset({"context_length_exceeded", "exceed_context_size_error", "model_max_prompt_tokens_exceeded"}),
    _either(
        r"\bcontext (?:length|window|size|limit)\b",
        r"\bprompt is too long\b",
        r"\binput is too long\b",
        r"\btoo many (?:input |prompt )?tokens\b",
        r"\binput length and `?max_tokens",
        r"\brequest too large for\b",
        r"\binput token count .{0,20}exceeds",
        r"\bmaximum (?:prompt|model) length\b",
        r"\bmax_new_tokens` must be <=",
        r"^prompt tokens limit exceeded",
        r"\bonly \d+k context\b",
        r"\bcontext the overflows\b",
    ),
)
BAD_OUTPUT = Wording(frozenset({"json_validate_failed", "tool_use_failed", "output_parse_failed"}), _either(r"(?!)"))
VALUE = Wording(
    frozenset(
        {
            *("unsupported_value", "unsupported_parameter", "unknown_parameter", "extra_forbidden"),
            *("invalid_value", "integer_above_max_value", "decimal_above_max_value", "string_above_max_length"),
        }
    ),
    _either(
        r"unsupported (?:parameter|value|argument)",
        r"unrecognized (?:request argument|key|field|parameter)",
        r"unknown (?:parameter|field|name|variant)",
        r"extra inputs are not permitted",
        r"property '[^']+' is unsupported",
        r"argument not supported",
        r"\b(?:does not|doesn't|cannot|can't) support\b",
        r"endpoints found that (?:can handle|support)",
        r"supports? (?:only|at most)\b",
        r"supported values are",
        r"\bnot supported (?:by|with|for|on|in) (?:this |the )?\S* ?model",
        r"(?:deprecated|unavailable|not available) (?:by|with|for|on|in|now)\b",
        r"is not a multimodal model",
        r"input is not supported",
        r"(?:parameter|argument|field)\b.{0,60}\b(?:not|only) (?:supported|permitted|allowed)",
        r"only .{1,40} (?:is|are) (?:allowed|supported)",
        r"must be '[^']+' or '",
        r"must be less than or equal",
        r"cannot both be specified",
        r"is too large\b",
        r"exceeds model's maximum",
        r"maximum allowed number",
        r"valid range of",
        r"requires --\w+",
        r"stream options can only",
        r"fewer max_tokens",
    ),
)

CONTEXT_TOKENS = _either(
    r"(?:model|endpoint)'s maximum context length is (\d[\d,]{2,})\b",
    r"tokens > (\d[\d,]{2,}) maximum\b",
    r"maximum (?:number of tokens allowed|prompt length|model length)(?: is| of)? \(?(\d[\d,]{2,})",
    r"available context size \((\d[\d,]{2,}) tokens\)",
    r"with (\d[\d,]{2,}) maximum context length",
    r"context length of only (\d[\d,]{2,}) tokens",
    r"\bn_ctx: (\d[\d,]{2,})\)",
)
"""Wordings that state a model's context length. A sum states none: its terms come from the caller's request."""

_NAMED_FIRST = r"^(?:the |this )?(?:requested )?(?:model:? )?(?:model )?(?:models/)?[`'\"]?{name}[`'\"]?:? (?:{says})"
_NAMED_LAST = r"^(?:model: |no endpoints found for |unable to access (?:non-serverless )?model ){name}(?:[ .]|$)"
_GONE = "|".join(
    (
        *("does not exist", "not found", "was not found", "is not found", "is not a valid model"),
        *("has been decommissioned", "is no longer available", "reached its end of life", "requires terms acceptance"),
    )
)


def says_model_is_unknown(message: str, model: str) -> bool:
    """Whether a message says that this model does not exist. The caller can't provoke that: the name is ours."""
    if not model:
        return False
    patterns = (pattern.format(name=re.escape(model), says=_GONE) for pattern in (_NAMED_FIRST, _NAMED_LAST))
    return any(re.search(pattern, message, re.IGNORECASE) for pattern in patterns)
