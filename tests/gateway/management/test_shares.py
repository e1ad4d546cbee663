"""Shares over time begin with the first request, and in buckets that hold enough of them."""

from dataclasses import dataclass

import pytest

from gateway.management import shares
from gateway.management.shares import draws_over_time
from storage.calendar import DAY, HOUR, MINUTE
from storage.stores.activity import Buckets

NOW = 1_764_000_000.0
START = int(NOW // DAY) * DAY - 6 * DAY


@dataclass
class Drawn:
    """An activity of one model: first draws by instant."""

    draws_at: dict[float, int]

    def draws(self, _router_id: str, buckets: Buckets) -> list[tuple[int, str, int]]:
        found: dict[int, int] = {}
        for at, number in self.draws_at.items():
            if buckets.since <= at < buckets.until:
                start = int(at // buckets.seconds) * buckets.seconds
                found[start] = found.get(start, 0) + number
        return [(at, "a/b", number) for at, number in sorted(found.items())]


def over_time(monkeypatch: pytest.MonkeyPatch, draws_at: dict[float, int]) -> shares.Draws:
    monkeypatch.setattr(shares, "Activity", lambda _: Drawn(draws_at))
    management = type("Management", (), {"now": NOW, "database": None})()
    return draws_over_time(management, "rtr_a", START)


def test_a_week_of_busy_hours_is_shown_by_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    found = over_time(monkeypatch, {NOW - HOUR * k: 100 for k in range(120)})
    assert (found.since, found.seconds, len(found.buckets)) == (START, HOUR, 120)


def test_a_young_routers_shares_begin_with_its_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    first = NOW - 20 * MINUTE
    found = over_time(monkeypatch, {first + MINUTE * k: 30 for k in range(20)})
    assert (found.since, found.seconds, len(found.buckets)) == (int(first // MINUTE) * MINUTE, MINUTE, 20)


def test_buckets_with_few_draws_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    found = over_time(monkeypatch, {NOW - HOUR * k: 8 for k in range(140)})
    assert found.seconds == 3 * HOUR
    assert sum(drawn["a/b"] for drawn in found.buckets.values()) == 8 * 140


def test_nothing_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert over_time(monkeypatch, {}).buckets == {}
