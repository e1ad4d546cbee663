"""What a key may still use is its limit less what all processes have used and what this one has set aside."""

from dataclasses import replace

import pytest

from bandit.types import Epoch
from gateway.errors import KeyBudgetExhausted, RateLimitExceeded
from gateway.limits.alerts import Alert
from gateway.limits.limiter import KeyLimiter
from storage.calendar import DAY, MINUTE, start_of
from storage.key_usage import Cell, Usage
from storage.records import KeyLimits, KeyRecord
from storage.replication.changes import Changed
from storage.writing.writer import Committed
from tests.support.records import RecordMaker

NOW = Epoch(1_764_115_200.0 + 43_230.0)  # noon, half a minute later, of 26 November 2025
KEY = KeyRecord("key_1", "a", "bot", ("routing",), None, 0.0)
DAY_CELL = Cell("key_1", DAY, start_of(DAY, NOW))
MINUTE_CELL = Cell("key_1", MINUTE, start_of(MINUTE, NOW))


class Process:
    """A process's limiter with a clock that is set."""

    def __init__(self, limits: KeyLimits, everything: Changed | None = None) -> None:
        self.now = NOW
        self.share = 1.0
        self.alerts: list[Alert] = []
        self.key = replace(KEY, limits=limits)
        self.limiter = KeyLimiter(everything or Changed(), lambda: self.now, lambda: self.share, self.alerts.append)
        found = self.limiter.of(self.key)
        assert found is not None
        self.allowance = found

    def admit(self, most: int = 1_000) -> int:
        """Admit requests until one is refused; how many were."""
        for count in range(most):
            try:
                self.limiter.of(self.key)
                self.allowance.admit(self.now)
            except RateLimitExceeded:
                return count
        return most


def test_a_key_without_limits_has_no_allowance() -> None:
    assert KeyLimiter(Changed(), lambda: NOW, lambda: 1.0, lambda _: None).of(KEY) is None


def test_what_other_processes_used_is_taken_once_and_own_commits_are_not_taken_again() -> None:
    process = Process(KeyLimits(requests_per_minute=60))
    assert process.admit(10) == 10
    process.limiter.apply(Committed([], usage={MINUTE_CELL: Usage(10, 100, 0.1)}))
    for _ in range(2):  # it may be read more than once
        process.limiter.follow(Changed(usage={MINUTE_CELL: Usage(40, 400, 0.4)}))
    assert process.admit() == 20
    process.limiter.follow(Changed(usage={MINUTE_CELL: Usage(40, 400, 0.4)}, everything=True))
    assert process.admit() == 0
    process.now = Epoch(NOW + 10.0)
    assert process.admit() == 10


def test_a_process_that_starts_goes_by_what_the_ledger_says() -> None:
    usage = {MINUTE_CELL: Usage(55, 0, 0.0), DAY_CELL: Usage(100, 0, 9.5)}
    process = Process(KeyLimits(requests_per_minute=60, usd_per_day=10.0), Changed(usage=usage, everything=True))
    assert process.admit() == 5
    assert process.allowance.left_usd(NOW) == 0.5


def test_tokens_are_set_aside_and_settled_by_what_was_used(making: RecordMaker) -> None:
    process = Process(KeyLimits(tokens_per_minute=1_000))
    reservation = process.allowance.reserve(900.0, 0.0, NOW)
    with pytest.raises(RateLimitExceeded) as refused:
        process.allowance.require_tokens(100, 50, NOW, stated=True)
    assert refused.value.type == "tokens"
    assert dict(refused.value.headers())[b"retry-after-ms"] == b"3000"
    reservation.settle(making.completion(at=NOW).outcome)  # 150 tokens
    process.allowance.require_tokens(100, 750, NOW, stated=True)
    with pytest.raises(RateLimitExceeded) as refused:
        process.allowance.require_tokens(1_000, 1, NOW, stated=True)
    assert dict(refused.value.headers()) == {b"x-should-retry": b"false"}
    process.now = Epoch(NOW + 60.0)
    process.allowance.require_tokens(900, 500.0, process.now, stated=False)  # no caller could ask for less


def test_dollars_of_day_and_month_are_what_the_ledger_says_and_what_runs() -> None:
    yesterday = Cell("key_1", DAY, DAY_CELL.start - DAY)
    process = Process(KeyLimits(usd_per_day=1.0, usd_per_month=3.0))
    process.limiter.follow(Changed(usage={DAY_CELL: Usage(1, 1, 0.25), yesterday: Usage(1, 1, 2.5)}))
    assert process.allowance.left_usd(NOW) == pytest.approx(0.25), "the month's"
    process.allowance.reserve(0.0, 0.125, NOW)
    assert process.allowance.left_usd(NOW) == pytest.approx(0.125)
    told = process.allowance.exhausted(NOW, "more is needed")
    assert isinstance(told, KeyBudgetExhausted)
    assert "key_1 (bot)" in told.message
    assert "1 December UTC" in told.message
    assert dict(told.headers()) == {b"x-should-retry": b"false"}
    tomorrow = Epoch(NOW + DAY)
    assert process.allowance.spending.left_today_usd(tomorrow) == pytest.approx(0.875)
    next_month = Epoch(NOW + 6 * DAY)
    assert process.allowance.left_usd(next_month) == pytest.approx(0.875)


def test_without_the_database_each_process_grants_its_share() -> None:
    process = Process(KeyLimits(requests_per_minute=60, usd_per_day=10.0))
    process.limiter.follow(Changed(usage={DAY_CELL: Usage(1, 1, 2.0)}))
    process.share = 0.25
    assert process.admit() == 15
    assert process.allowance.left_usd(NOW) == 2.0


def test_each_mark_is_told_once_a_day(making: RecordMaker) -> None:
    process = Process(KeyLimits(usd_per_day=1.0))
    for spent_usd, told in ((0.79, []), (0.81, [80]), (0.9, [80]), (1.2, [80, 100]), (1.3, [80, 100])):
        process.limiter.follow(Changed(usage={DAY_CELL: Usage(1, 1, spent_usd)}))
        assert [alert.percent for alert in process.alerts] == told
    assert "$1.2 of its $1 for the UTC day 2025-11-26" in process.alerts[-1].sentence()
    process.now = Epoch(NOW + DAY)
    process.allowance.exhausted(process.now, "a very large request is refused, and others fit in")
    tomorrow = Cell("key_1", DAY, DAY_CELL.start + DAY)
    process.limiter.follow(Changed(usage={tomorrow: Usage(1, 1, 0.8)}))
    assert [alert.percent for alert in process.alerts] == [80, 100, 80]


def test_a_limit_that_was_changed_has_marks_of_its_own() -> None:
    process = Process(KeyLimits(usd_per_day=1.0))
    for limit_usd, spent_usd, told in ((1.0, 1.1, 100), (10.0, 8.1, 80), (10.0, 10.5, 100), (5.0, 10.5, 100)):
        process.key = replace(KEY, limits=KeyLimits(usd_per_day=limit_usd))
        process.limiter.of(process.key)
        process.limiter.follow(Changed(usage={DAY_CELL: Usage(1, 1, spent_usd)}))
        last = process.alerts[-1]
        assert (last.limit_usd, last.percent) == (limit_usd, told)
    assert len(process.alerts) == 4
    process.now = Epoch(NOW - DAY)  # a clock that was ahead
    process.limiter.follow(Changed(usage={Cell("key_1", DAY, DAY_CELL.start - DAY): Usage(1, 1, 9.0)}))
    assert len(process.alerts) == 4, "of a day that is over nothing is told"


def test_dollars_that_are_only_set_aside_are_no_reason_for_an_alert() -> None:
    process = Process(KeyLimits(usd_per_day=1.0))
    running = process.allowance.reserve(0.0, 1.0, NOW)
    process.allowance.exhausted(NOW, "another request is refused")
    assert process.alerts == []
    process.share = 0.25  # the database is away, and other processes may grant the rest
    assert running is not None
    process.limiter.follow(Changed(usage={DAY_CELL: Usage(1, 1, 0.85)}))
    process.allowance.exhausted(NOW, "another request is refused")
    assert [alert.percent for alert in process.alerts] == [80, 100]


def test_headers_say_what_is_left() -> None:
    process = Process(KeyLimits(requests_per_minute=60, tokens_per_minute=6_000, usd_per_month=2.0))
    process.admit(1)
    process.allowance.reserve(600.0, 0.5, NOW)
    assert dict(process.allowance.standing()) == {
        b"x-ratelimit-limit-requests": b"60",
        b"x-ratelimit-remaining-requests": b"59",
        b"x-ratelimit-reset-requests": b"1s",
        b"x-ratelimit-limit-tokens": b"6000",
        b"x-ratelimit-remaining-tokens": b"5400",
        b"x-ratelimit-reset-tokens": b"6s",
        b"x-ratelimit-remaining-usd": b"1.5",
    }
