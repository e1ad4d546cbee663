"""What one API key may still use, by its limits: checked before a request, reserved while it runs, settled after it."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bandit.types import Epoch
from gateway.asgi import Headers
from gateway.catalog.catalog import Model
from gateway.dollars import dollars
from gateway.errors import InsufficientScope, KeyBudgetExhausted, RateLimitExceeded
from gateway.limits.alerts import PERCENTS, Alert
from gateway.limits.bucket import Bucket
from gateway.limits.spending import KeySpending
from storage.calendar import DAY, MINUTE, month_start, start_of
from storage.key_usage import Cell, Usage
from storage.records import NO_LIMITS, KeyLimits, KeyRecord, OutcomeRecord

_KEPT_MINUTES = 4
_IN_ORDER = ("requests", "tokens")


class KeyAllowance:
    """The state of one key in this process. For the event loop alone.

    `share` is the part of the limits that this process may grant: 1, but for a time without the database.
    """

    __slots__ = ("_alert", "_buckets", "_clock", "_minutes", "_told", "key_id", "label", "limits", "share", "spending")

    def __init__(self, key_id: str, clock: Callable[[], Epoch], alert: Callable[[Alert], None]) -> None:
        self._clock = clock
        self._alert = alert
        self._told: dict[str, tuple[int, float, int]] = {}  # by limit: period, dollars and percent of the last alert
        self.key_id = key_id
        self.label = ""
        self.limits: KeyLimits = NO_LIMITS
        self.share = 1.0
        self.spending = KeySpending()
        self._buckets: dict[str, Bucket] = {}
        self._minutes: dict[int, tuple[int, int]] = {}  # requests and tokens that the ledger has, as far as is known

    def follow(self, key: KeyRecord, now: Epoch) -> None:
        """Go by the key's present limits."""
        self.label, self.limits = key.label, key.limits
        self.spending.per_day, self.spending.per_month = key.limits.usd_per_day, key.limits.usd_per_month
        per_minute = (key.limits.requests_per_minute, key.limits.tokens_per_minute)
        for position, (kind, limit) in enumerate(zip(_IN_ORDER, per_minute, strict=True)):
            bucket = self._buckets.get(kind)
            if limit is None:
                self._buckets.pop(kind, None)
            elif bucket is not None:
                bucket.change_limit(limit)
            else:
                bucket = self._buckets[kind] = Bucket(limit, now)
                for minute, used in self._minutes.items():
                    bucket.take_past(used[position], now - minute - MINUTE)

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens a minute are limited."""
        return "tokens" in self._buckets

    def admit(self, now: Epoch) -> None:
        """Count a request, before anything is known of it. Raises RateLimitExceeded."""
        bucket = self._buckets.get("requests")
        if bucket is None:
            return
        if bucket.left(now, self.share) < 1.0 - 1e-9:
            raise self._exceeded("requests", bucket, 1.0, now)
        bucket.take(1.0)

    def require_task(self, task: str) -> None:
        """Check that the key may ask for this class. Raises InsufficientScope."""
        allowed = self.limits.tasks
        if allowed is not None and task not in allowed:
            raise InsufficientScope(
                f"this API key is for requests of the class {_or(allowed)}, and this one is of the class {task[:80]!r}",
                should_retry=False,
            )

    def allowed_models(
        self, arm_ids: tuple[str, ...], models: Mapping[str, Model], left_out: dict[str, str]
    ) -> tuple[str, ...]:
        """Those of the arms that the key may use; the others get their reason. Empty if there is none."""
        limits = self.limits
        if limits.models is None:
            return arm_ids
        allowed = tuple([arm_id for arm_id in arm_ids if limits.allow(arm_id, models[arm_id].id)])
        left_out.update({arm_id: "is not allowed for this API key" for arm_id in arm_ids if arm_id not in allowed})
        return allowed

    def require_tokens(self, prompt_tokens: int, completion_tokens: float, now: Epoch, *, stated: bool) -> None:
        """Check that a request of so many tokens fits in. Raises RateLimitExceeded.

        `stated`: the caller asks for these completion tokens. What it can't know it is not refused for for ever.
        """
        bucket = self._buckets.get("tokens")
        if bucket is None:
            return
        needed = prompt_tokens + completion_tokens
        if (needed if stated else prompt_tokens) > bucket.limit:
            raise RateLimitExceeded(
                f"this request takes about {needed:,.0f} tokens{' with its max_tokens' if stated else ''}, and API key "
                f"{self._named()} has {bucket.limit:,} a minute",
                kind="tokens",
                should_retry=False,
            )
        needed = min(needed, bucket.limit * self.share)
        if bucket.left(now, self.share) < needed - 1e-6:
            raise self._exceeded("tokens", bucket, needed, now)

    def left_usd(self, now: Epoch) -> float:
        """Dollars that may be spent now; infinite without a limit."""
        share = self.share
        return min(self.spending.left_today_usd(now, share), self.spending.left_this_month_usd(now, share))

    def exhausted(self, now: Epoch, expected: str) -> KeyBudgetExhausted:
        """The error that says which limit on dollars has no room for what is `expected`, and when it has."""
        spending = self.spending
        today, month = spending.left_today_usd(now, self.share), spending.left_this_month_usd(now, self.share)
        if today <= month:
            name, left, limit, period, end = "usd_per_day", today, spending.per_day, "UTC day", "midnight UTC"
        else:
            name = "usd_per_month"
            end = f"{datetime.fromtimestamp(month_start(Epoch(month_start(now) + 32 * DAY)), UTC):%d %B} UTC".lstrip(
                "0"
            )
            left, limit, period = month, spending.per_month, "UTC month"
        spent_usd = spending.today_usd(now) if name == "usd_per_day" else spending.month_usd(now)
        # Else one request was too large and others fit in, or what is left is only set aside for running ones.
        if spent_usd >= PERCENTS[0] / 100 * (limit or 0.0):
            self._tell(name, 100, now)
        return KeyBudgetExhausted(
            f"{dollars(left)} are left of the {dollars(limit or 0.0, 6)} that API key {self._named()} has for this "
            f"{period}, and {expected}; it can spend again from {end} on",
            should_retry=False,
        )

    def reserve(self, tokens: float, usd: float, now: Epoch) -> "Reservation":
        """Set aside what a request is expected to take, until it is settled."""
        bucket = self._buckets.get("tokens")
        if bucket is not None:
            bucket.take(tokens)
        self.spending.reserve(usd, now)
        return Reservation(self, tokens if bucket is not None else 0.0, usd)

    def settle(self, tokens: float, usd: float, outcome: OutcomeRecord) -> None:
        """Replace what was reserved by what a request took."""
        bucket = self._buckets.get("tokens")
        if bucket is not None:
            bucket.take((outcome.prompt_tokens or 0) + (outcome.completion_tokens or 0) - tokens)
        self.spending.settle(usd, outcome.cost_usd, outcome.ended_at)
        self._watch(outcome.ended_at)

    def commit(self, cell: Cell, usage: Usage) -> None:
        """Take note of what this process has committed, which it has counted already."""
        if cell.width == DAY:
            self.spending.commit(cell.start, usage.cost_usd)
        else:
            requests, tokens = self._minutes.get(cell.start, (0, 0))
            self._minutes[cell.start] = (requests + usage.requests, tokens + usage.tokens)

    def replace(self, cell: Cell, usage: Usage, now: Epoch) -> None:
        """Take note of what the ledger says; what is more than is known of, other processes have used."""
        if cell.width == DAY:
            self.spending.replace(cell.start, usage.cost_usd)
            self._watch(now)
            return
        known = self._minutes.get(cell.start, (0, 0))
        self._minutes[cell.start] = (max(usage.requests, known[0]), max(usage.tokens, known[1]))
        for position, kind in enumerate(_IN_ORDER):
            bucket = self._buckets.get(kind)
            more = usage[position] - known[position]
            if bucket is not None and more > 0:
                bucket.left(now, self.share)
                bucket.take_past(more, now - cell.start - MINUTE)
        if len(self._minutes) > _KEPT_MINUTES:
            oldest = start_of(MINUTE, now) - _KEPT_MINUTES * MINUTE
            self._minutes = {start: used for start, used in self._minutes.items() if start >= oldest}

    def standing(self) -> Headers:
        """OpenAI's headers that say what is left now, and ours for dollars."""
        now = self._clock()
        told: list[tuple[bytes, bytes]] = []
        for kind, bucket in self._buckets.items():
            name = kind.encode()
            left = max(bucket.left(now, self.share), 0.0)
            reset = bucket.seconds_until(bucket.limit * self.share, now, self.share)
            told += (
                (b"x-ratelimit-limit-" + name, b"%d" % bucket.limit),
                (b"x-ratelimit-remaining-" + name, b"%d" % (left + 1e-9)),
                (b"x-ratelimit-reset-" + name, _duration(reset)),
            )
        if self.spending.is_limited:
            left_usd = f"{self.left_usd(now):.6f}".rstrip("0").rstrip(".")
            told.append((b"x-ratelimit-remaining-usd", left_usd.encode()))
        return told

    def _watch(self, now: Epoch) -> None:
        """Alert if the dollars spent have passed a mark that was not told of in this day or month."""
        spending = self.spending
        for name, limit, spent_usd in (
            ("usd_per_day", spending.per_day, spending.today_usd(now)),
            ("usd_per_month", spending.per_month, spending.month_usd(now)),
        ):
            percent = (
                0 if limit is None else max((each for each in PERCENTS if spent_usd >= each / 100 * limit), default=0)
            )
            if percent:
                self._tell(name, percent, now)

    def _tell(self, name: str, percent: int, now: Epoch) -> None:
        daily, spending = name == "usd_per_day", self.spending
        start = start_of(DAY, now) if daily else month_start(now)
        limit_usd = spending.per_day if daily else spending.per_month
        told_start, told_usd, told_percent = self._told.get(name, (0, 0.0, 0))
        if limit_usd is None or start < told_start:
            return
        if (start, limit_usd) == (told_start, told_usd) and percent <= told_percent:
            return
        self._told[name] = (start, limit_usd, percent)
        spent_usd = spending.today_usd(now) if daily else spending.month_usd(now)
        self._alert(Alert(self.key_id, self.label, name, percent, limit_usd, spent_usd, start, now))

    def _exceeded(self, kind: str, bucket: Bucket, needed: float, now: Epoch) -> RateLimitExceeded:
        return RateLimitExceeded(
            f"API key {self._named()} has used its {bucket.limit:,} {kind} a minute",
            kind=kind,
            retry_after_seconds=bucket.seconds_until(needed, now, self.share),
        )

    def _named(self) -> str:
        return f"{self.key_id} ({self.label})"


class Reservation:
    """What is set aside for one running request."""

    __slots__ = ("_allowance", "_tokens", "_usd")

    def __init__(self, allowance: KeyAllowance, tokens: float, usd: float) -> None:
        self._allowance = allowance
        self._tokens = tokens
        self._usd = usd

    def settle(self, outcome: OutcomeRecord) -> None:
        """Replace it by what the request took."""
        self._allowance.settle(self._tokens, self._usd, outcome)


def _duration(seconds: float) -> bytes:
    """A span of time as OpenAI's headers have it: `120ms`, `1s`, `6m0s`."""
    if seconds < 1.0:
        return b"%dms" % math.ceil(seconds * 1000)
    minutes, rest = divmod(math.ceil(seconds), 60)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest


def _or(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, [", ".join(map(repr, words[:-1])), repr(words[-1])]))
