"""Conversations that keep their model for a while, so that the provider's prompt cache pays.

Kept per process, and bounded: a conversation that is forgotten is decided anew.
"""

import hashlib
from collections import OrderedDict

import msgspec

from gateway.completions.request import Fields

MOST_CONVERSATIONS = 100_000


class _Role(msgspec.Struct):
    role: str


_ROLE = msgspec.json.Decoder(_Role)
_MESSAGES = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = msgspec.Raw(b"null")


class Stickiness:
    """The model that answered each conversation last, for `seconds` after that."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def model(self, conversation: bytes, now: float) -> str | None:
        """Who answered last; None where that is forgotten."""
        model_id, until = self._kept.get(conversation, (None, now))
        return model_id if now < until else None

    def keep(self, conversation: bytes, model_id: str, now: float) -> None:
        """The model has answered: it goes on, for a time from now."""
        self._kept[conversation] = (model_id, now + self._seconds)
        self._kept.move_to_end(conversation)
        while len(self._kept) > MOST_CONVERSATIONS:
            self._kept.popitem(last=False)


def conversation_of(fields: Fields) -> bytes | None:
    """What all turns of one conversation share: `prompt_cache_key`, else `user` and the messages up to their first.

    None where the caller gives neither: nobody knows then whose turn it is.
    """
    key = fields.get("prompt_cache_key", _NULL)
    if bytes(key) != b"null":
        return hashlib.blake2b(b"key\0" + bytes(key), digest_size=16).digest()
    user = fields.get("user", _NULL)
    if bytes(user) == b"null":
        return None
    opening = hashlib.blake2b(b"user\0" + bytes(user), digest_size=16)
    for message in _MESSAGES.decode(fields["messages"]):
        opening.update(b"\0" + bytes(message))
        if _ROLE.decode(message).role == "user":
            break
    return opening.digest()
