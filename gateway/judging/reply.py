"""Strict parser of a judge's reply: one JSON object with a score and a ground, and nothing around it but a fence."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import msgspec

LONGEST_GROUND = 300
"""Characters of a ground that are kept."""

_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


class Unscored(StrEnum):
    """Why an answer that was drawn to be judged got no score."""

    UNSUITABLE = "unsuitable"  # no whole text, or a request with images, audio or files
    TOO_LONG = "too_long"
    DROPPED = "dropped"  # too many answers wait already
    STOPPED = "stopped"  # the gateway stops
    NO_JUDGE = "no_judge"  # none is configured any more, or all are cooling down
    OVER_BUDGET = "over_budget"
    FAILED = "failed"  # the judge's provider
    TIMEOUT = "timeout"
    REFUSED = "refused"  # by the provider, or by the judge as a refusal
    EMPTY = "empty"
    PROSE = "prose"  # no JSON object alone
    MALFORMED = "malformed"  # other fields
    BAD_SCORE = "bad_score"  # none, or not a number from 0 to 1
    CUT = "cut"  # at the token limit
    NOT_RECORDED = "not_recorded"  # the completion is not in the ledger, or the database is away


class NoScore(Exception):
    """A judge gave no score; `reason` says why."""

    def __init__(self, reason: Unscored) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Grade:
    """A score from 0 to 1, and its ground in a few words."""

    score: float
    ground: str


class _Reply(msgspec.Struct, forbid_unknown_fields=True):
    score: Annotated[float, msgspec.Meta(ge=0, le=1)]
    ground: str


_REPLY = msgspec.json.Decoder(_Reply)


def read_reply(text: str | None, finish_reason: str | None) -> Grade:
    """Read a judge's whole reply. Raises NoScore."""
    reply = (text or "").strip()
    if finish_reason == "content_filter":
        raise NoScore(Unscored.REFUSED)
    if finish_reason == "length":
        raise NoScore(Unscored.CUT)
    if not reply:
        raise NoScore(Unscored.EMPTY)
    fenced = _FENCED.fullmatch(reply)
    try:
        read = _REPLY.decode(fenced[1] if fenced else reply)
    except msgspec.ValidationError as error:
        about_score = "$.score" in str(error) or "`score`" in str(error)
        raise NoScore(Unscored.BAD_SCORE if about_score else Unscored.MALFORMED) from None
    except (msgspec.DecodeError, UnicodeError):
        raise NoScore(Unscored.PROSE) from None
    return Grade(read.score, read.ground.strip()[:LONGEST_GROUND])
