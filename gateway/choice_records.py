"""Records of choices: all that a choice holds, in a third of the bytes of its JSON, from which it is read again.

A record is MessagePack, with values in the order of the fields: `[[algorithm, policy, …], [[model_id, …], …]]`. So
fields are added at their end, with a default: a shorter record lacks the last ones.
"""

from dataclasses import fields
from operator import attrgetter
from typing import Any

import msgspec

from bandit.types import ArmView, Choice

FIELDS = tuple(field.name for field in fields(Choice) if field.name != "arms")
ARM_FIELDS = tuple(field.name for field in fields(ArmView))

_values, _arm_values = attrgetter(*FIELDS), attrgetter(*ARM_FIELDS)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[list[Any], list[list[Any]]])
_json_decoder = msgspec.json.Decoder(Choice)


def record_of(choice: Choice) -> bytes:
    """Encode a choice."""
    return _encoder.encode((_values(choice), [_arm_values(arm) for arm in choice.arms]))


def read_choice(record: bytes) -> Choice:
    """Decode a choice, also from JSON, as older versions recorded it. Raises msgspec.DecodeError."""
    if record.startswith(b"{"):
        return _json_decoder.decode(record)
    values, arms = _decoder.decode(record)
    named = dict(zip(FIELDS, values, strict=False))
    named["arms"] = [dict(zip(ARM_FIELDS, arm, strict=False)) for arm in arms]
    return msgspec.convert(named, Choice)
