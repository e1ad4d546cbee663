"""Reads a plain answer that was received in one piece by one regular expression: the usual case of a small answer.

A parser calls us for each header; a provider's answer has some thirty that nobody reads.
"""

import re

_TEXT = rb"[\t\x20-\x7e\x80-\xff]*+\r\n"
_NAME = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # a token (RFC 9110 §5.6.2)
_FRAMING = rb"(?i:content-length|content-encoding|transfer-encoding|connection|proxy-connection|upgrade):"
_OTHERS = b"".join(
    (
        rb"(?:",
        rb"(?![CcTtPpUu])" + _NAME + rb"++:" + _TEXT,  # for speed: no name of those that frame begins like this
        rb"|(?i:connection:[ \t]*+keep-alive[ \t]*+\r\n)",
        rb"|(?!" + _FRAMING + rb")" + _NAME + rb"++:" + _TEXT,
        rb")*+",
    )
)
_HEAD = re.compile(
    rb"HTTP/1\.1 200 " + _TEXT + _OTHERS + rb"(?i:content-length):[ \t]*+([0-9]{1,9})[ \t]*+\r\n" + _OTHERS + rb"\r\n"
)


def plain_body(received: bytes) -> bytes | None:
    """The body of a response of status 200 that is received to its last byte, and nothing else with it.

    None for any other response, and for a head that says more of the body or the connection than a length: that is
    the parser's. Whatever is read here, the parser reads alike.
    """
    head = _HEAD.match(received)
    if head is None:
        return None
    body = received[head.end() :]
    return body if len(body) == int(head[1]) else None
