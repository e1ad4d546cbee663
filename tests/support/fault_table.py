"""The table of docs/faults.md: the faulty provider's models, and how an attempt on each must end."""

from typing import NamedTuple

from bandit.types import Ending

COMPLETE, FAILED, TIMEOUT, CUT = Ending.COMPLETE, Ending.FAILED, Ending.TIMEOUT, Ending.CUT
LIMITED, MISCONFIGURED = Ending.RATE_LIMITED, Ending.MISCONFIGURED
INCAPABLE, REJECTED = Ending.INCAPABLE, Ending.REJECTED


class Fault(NamedTuple):
    """A row of the document and the ending of a whole and of a streamed attempt; None if there is none.

    `place` names the gateway's provider: `quick` (short timeouts), `patient`, or an address that can't be reached.
    `unreported`: its complete stream has no usage. `final`: it is told at once, and no other model is asked.
    """

    row: str
    whole: Ending | None
    stream: Ending
    place: str = "patient"
    unreported: bool = False
    final: bool = False

    def ending(self, *, stream: bool) -> Ending | None:
        return self.stream if stream else self.whole


_REFUSED = "connection refused, name not resolved, TLS not accepted"
_CUT = "cut in the middle"
_RESET = "reset before any byte"
_BUSY = "500, 502, 503, 504, 529, 408, 409"
_LIMITED = "429, with and without `Retry-After`"
_MONEY = "429 `insufficient_quota`, 402"
_OURS = "401, 405, a redirect"
_OURS_TOLD = "400 that means a wrong key, spent money or an unknown model"
_CALLERS = "any other 400, 403, 404, 410, 413, 422"
_BROKEN = "200 with an error inside a choice, or the finish reason `error`"
_NO_ANSWER = "wrong content type, empty body, not HTTP"
_PACKED = "packed with gzip or deflate"
_NOT_PACKED = "packed otherwise, or not really"

TABLE: dict[str, Fault] = {
    "refused": Fault(_REFUSED, FAILED, FAILED, "refused"),
    "unresolved": Fault(_REFUSED, FAILED, FAILED, "unresolved"),
    "tls": Fault(_REFUSED, FAILED, FAILED, "tls"),
    "reset": Fault(_RESET, FAILED, FAILED),
    "stale": Fault("a kept connection that is reset as it is used again", COMPLETE, COMPLETE),
    "hang": Fault("silence before the headers", TIMEOUT, TIMEOUT, "quick"),
    "mute": Fault("headers, then silence", TIMEOUT, TIMEOUT, "quick"),
    "stall": Fault("silence in the middle", TIMEOUT, CUT, "quick"),
    "half-json": Fault("half a JSON", FAILED, FAILED),
    "half-json-late": Fault("half a JSON", FAILED, CUT),
    "status-500": Fault(_BUSY, FAILED, FAILED),
    "status-502": Fault(_BUSY, FAILED, FAILED),
    "status-503": Fault(_BUSY, FAILED, FAILED),
    "503-retry-after": Fault(_BUSY, FAILED, FAILED),
    "status-504": Fault(_BUSY, FAILED, FAILED),
    "529": Fault(_BUSY, FAILED, FAILED),
    "status-408": Fault(_BUSY, FAILED, FAILED),
    "status-409": Fault(_BUSY, FAILED, FAILED),
    "429": Fault(_LIMITED, LIMITED, LIMITED),
    "429-retry-after": Fault(_LIMITED, LIMITED, LIMITED),
    "429-briefly": Fault(_LIMITED, LIMITED, LIMITED),
    "429-quota": Fault(_MONEY, MISCONFIGURED, MISCONFIGURED),
    "status-402": Fault(_MONEY, MISCONFIGURED, MISCONFIGURED),
    "status-401": Fault(_OURS, MISCONFIGURED, MISCONFIGURED),
    "status-405": Fault(_OURS, MISCONFIGURED, MISCONFIGURED),
    "redirect": Fault(_OURS, MISCONFIGURED, MISCONFIGURED),
    "400-key": Fault(_OURS_TOLD, MISCONFIGURED, MISCONFIGURED),
    "400-model": Fault(_OURS_TOLD, MISCONFIGURED, MISCONFIGURED),
    "400-spent": Fault(_OURS_TOLD, MISCONFIGURED, MISCONFIGURED),
    "400-field": Fault("400, 422 that names an unknown field", INCAPABLE, INCAPABLE),
    "400-value": Fault("400, 422 that refuses a field's value", INCAPABLE, INCAPABLE),
    "400-context": Fault("400, 413, 422 that names the context length", INCAPABLE, INCAPABLE),
    "400-output": Fault("400 `json_validate_failed`, `tool_use_failed`", FAILED, FAILED),
    "status-400": Fault(_CALLERS, REJECTED, REJECTED),
    "status-403": Fault(_CALLERS, REJECTED, REJECTED),
    "status-404": Fault(_CALLERS, REJECTED, REJECTED),
    "status-410": Fault(_CALLERS, REJECTED, REJECTED),
    "status-413": Fault(_CALLERS, REJECTED, REJECTED),
    "status-422": Fault(_CALLERS, REJECTED, REJECTED),
    "403-flagged": Fault("400 or 403 for the content", REJECTED, REJECTED, final=True),
    "error-event": Fault("200 with an error in its body", FAILED, CUT),
    "error-choice": Fault(_BROKEN, FAILED, CUT),
    "finish-error": Fault(_BROKEN, FAILED, FAILED),
    "says-nothing": Fault("200 that says nothing", FAILED, FAILED),
    "wrong-type": Fault(_NO_ANSWER, FAILED, FAILED),
    "empty": Fault(_NO_ANSWER, FAILED, FAILED),
    "not-http": Fault(_NO_ANSWER, FAILED, FAILED),
    "gzip": Fault(_PACKED, COMPLETE, COMPLETE),
    "deflate": Fault(_PACKED, COMPLETE, COMPLETE),
    "packed-otherwise": Fault(_NOT_PACKED, FAILED, FAILED),
    "bad-gzip": Fault(_NOT_PACKED, FAILED, FAILED),
    "huge": Fault("an answer of 50 MB", COMPLETE, FAILED),
    "endless": Fault("a body that never ends", FAILED, CUT),
    "drip": Fault("a slow drip", COMPLETE, COMPLETE),
    "cut": Fault(_CUT, FAILED, CUT),
    "cut-reset": Fault(_CUT, FAILED, CUT),
    "cut-early": Fault(_CUT, FAILED, FAILED),
    "cut-with-done": Fault("`[DONE]` without a finish reason", None, COMPLETE, unreported=True),
    "no-done": Fault("a finish reason without `[DONE]`", None, COMPLETE),
    "double-done": Fault("`[DONE]` twice", None, COMPLETE),
    "bad-utf8": Fault("invalid UTF-8", COMPLETE, COMPLETE, unreported=True),
}
"""Model of the faulty provider → its row and endings."""

CELLS = [
    (name, stream)
    for name, fault in TABLE.items()
    for stream in (False, True)
    if fault.ending(stream=stream) is not None
]
"""Every (model, streamed) that has an ending."""
