"""Heads of answers as older HTTP allowed them, which the parser refuses."""

import re

OBSOLETE = re.compile(rb"\n[ \t]|\ntransfer-encoding", re.IGNORECASE)
_FOLD = re.compile(rb"\r?\n[ \t]+")
_TE_IDENTITY = re.compile(rb"\r?\ntransfer-encoding:[ \t]*identity[ \t]*(?=\r?\n)", re.IGNORECASE)
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


def modernised(head: bytes) -> bytes:
    """Join folded header lines and drop `Transfer-Encoding: identity`, which older HTTP allowed.

    llhttp rejects both (the second beside `Content-Length`); RFC 9112 §5.2 tells user agents to unfold.
    """
    first = head.find(b"\n") + 1
    if head[first : first + 1] in {b" ", b"\t"}:
        return head  # a fold after the status line belongs to no header
    end = END_OF_HEAD.search(head)
    stop = end.end() if end else len(head)
    return _TE_IDENTITY.sub(b"", _FOLD.sub(b" ", head[:stop])) + head[stop:]
