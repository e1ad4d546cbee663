"""Windows of activity: what time is asked for, and the buckets that cover it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel

from gateway.errors import BadRequest
from storage.activity import KEPT_SECONDS
from storage.calendar import DAY, HOUR, MINUTE
from storage.stores.activity import Buckets

BUCKETS = (60, 300, 900, 1_800, 3_600, 86_400, 604_800, 2_592_000)
MOST_BUCKETS = 1_000
USUAL_BUCKETS = 30
"""Without `bucket_seconds` the shortest are taken of which there are no more than this many."""


class Window(BaseModel):
    """The time that is asked for: seconds since the epoch or RFC 3339. Default: the last 24 hours."""

    from_: str | None = None
    to: str | None = None
    bucket_seconds: int | None = None


def buckets_of(
    window: Window, now: float, *, by_task: bool = False, widths: Sequence[int] = (MINUTE, HOUR, DAY)
) -> Buckets:
    """The buckets that cover a window. Raises BadRequest."""
    until = instant(window.to, "to", now)
    since = instant(window.from_, "from", until - DAY)
    if not since < until:
        raise BadRequest("`from` must be before `to`", param="from")
    if window.bucket_seconds is None:
        fitting = [each for each in BUCKETS if (until - since) / each <= USUAL_BUCKETS and _widths(each, widths)]
        seconds = next((each for each in fitting if _is_kept(each, since, now, widths, by_task)), BUCKETS[-1])
    else:
        seconds = window.bucket_seconds
        if seconds not in BUCKETS:
            told = ", ".join(map(str, BUCKETS))
            raise BadRequest(f"`bucket_seconds` must be one of {told}, not {seconds}", param="bucket_seconds")
    first, last = int(since // seconds) * seconds, -int(-until // seconds) * seconds
    if (last - first) // seconds > MOST_BUCKETS:
        raise BadRequest(
            f"from `from` to `to` are {(last - first) // seconds} buckets of {seconds} s: {MOST_BUCKETS} are allowed",
            param="bucket_seconds",
        )
    if not _is_kept(seconds, since, now, widths, by_task):
        raise BadRequest(
            "so short buckets are not kept for so long: minutes are kept for 2 days, hours (and classes) for 100 days, "
            "of API keys minutes and days alone",
            param="bucket_seconds",
        )
    width = HOUR if by_task else _widths(seconds, widths)[-1]
    return Buckets(width, seconds, first, last)


def _widths(seconds: int, widths: Sequence[int]) -> list[int]:
    """The widths of which buckets of this length consist."""
    return [width for width in widths if seconds % width == 0]


def _is_kept(seconds: int, since: float, now: float, widths: Sequence[int], by_task: bool) -> bool:
    """Whether cells for buckets of this length are kept since an instant. Only hours have classes."""
    width = HOUR if by_task else _widths(seconds, widths)[-1]
    return seconds % width == 0 and since >= now - KEPT_SECONDS.get(width, float("inf"))


def instant(text: str | None, name: str, default: float) -> float:
    """Seconds since the epoch, of these or of RFC 3339. Raises BadRequest that names the parameter."""
    if text is None:
        return default
    try:
        at = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        at = float("nan") if moment is None else (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0.0 <= at <= 1e11:
        raise BadRequest(
            f"`{name}` must be seconds since the epoch or a time as in 2026-11-25T12:00:00Z, not {text[:40]!r}",
            param=name,
        )
    return at
