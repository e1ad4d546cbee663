"""Strict parser of judges' replies: one JSON object with scores and a ground, and nothing around it but a fence."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeVar

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
    TOOLS = "tools"  # offered by a request that was drawn to be asked of a second model
    NO_SECOND = "no_second"  # no other model can answer it now
    NO_SECOND_ANSWER = "no_second_answer"  # the second model failed, or said no whole text
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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores from 0 to 1 of two answers, in the order in which they were shown, and their ground."""

    first: float
    second: float
    ground: str


_Score = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Grade(msgspec.Struct, forbid_unknown_fields=True):
    score: _Score
    ground: str


class _Comparison(msgspec.Struct, forbid_unknown_fields=True):
    first: _Score
    second: _Score
    ground: str


Read = TypeVar("Read")

_GRADE = msgspec.json.Decoder(_Grade)
_COMPARISON = msgspec.json.Decoder(_Comparison)
_ABOUT_SCORE = re.compile(r"\$\.(score|first|second)|required field `(score|first|second)`")


def read_reply(text: str | None, finish_reason: str | None) -> Grade:
    """Read a judge's whole reply about one answer. Raises NoScore."""
    read = _read(_GRADE, text, finish_reason)
    return Grade(read.score, _cut(read.ground))


def read_comparison(text: str | None, finish_reason: str | None) -> Comparison:
    """Read a judge's whole reply about two answers. Raises NoScore."""
    read = _read(_COMPARISON, text, finish_reason)
    return Comparison(read.first, read.second, _cut(read.ground))


def _read(decoder: msgspec.json.Decoder[Read], text: str | None, finish_reason: str | None) -> Read:
    reply = (text or "").strip()
    if finish_reason == "content_filter":
        raise NoScore(Unscored.REFUSED)
    if finish_reason == "length":
        raise NoScore(Unscored.CUT)
    if not reply:
        raise NoScore(Unscored.EMPTY)
    fenced = _FENCED.fullmatch(reply)
    try:
        return decoder.decode(fenced[1] if fenced else reply)
    except msgspec.ValidationError as error:
        raise NoScore(Unscored.BAD_SCORE if _ABOUT_SCORE.search(str(error)) else Unscored.MALFORMED) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise NoScore(Unscored.PROSE) from None


def _cut(ground: str) -> str:
    return ground.strip()[:LONGEST_GROUND]
