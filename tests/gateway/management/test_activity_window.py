"""Windows of activity are whole buckets, of cells that are still kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.management.activity_window import BUCKETS, MOST_BUCKETS, Window, buckets_of
from storage.activity import KEPT_SECONDS
from storage.calendar import DAY, HOUR, MINUTE

NOW = 1_795_000_000.0


def test_the_last_day_is_shown_by_the_hour_if_nothing_is_said() -> None:
    buckets = buckets_of(Window(), NOW)
    assert (buckets.width, buckets.seconds) == (HOUR, 3_600)
    assert buckets.since <= NOW - DAY
    assert buckets.until >= NOW


def test_classes_are_shown_by_the_hour() -> None:
    buckets = buckets_of(Window(), NOW, by_task=True)
    assert (buckets.width, buckets.seconds) == (HOUR, 3_600)


@given(st.floats(0.0, NOW - 1.0), st.floats(1.0, 1e8), st.booleans())
def test_a_window_is_covered_by_few_buckets_of_cells_that_are_kept(since: float, length: float, by_task: bool) -> None:
    window = Window(from_=repr(since), to=repr(min(since + length, NOW)))
    try:
        buckets = buckets_of(window, NOW, by_task=by_task)
    except BadRequest:
        assert by_task, "days are kept for ever"
        return
    assert buckets.since <= since
    assert buckets.until >= min(since + length, NOW)
    assert buckets.since % buckets.seconds == buckets.until % buckets.seconds == buckets.seconds % buckets.width == 0
    assert 1 <= (buckets.until - buckets.since) / buckets.seconds <= MOST_BUCKETS
    assert since >= NOW - KEPT_SECONDS.get(buckets.width, NOW)


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (Window(from_="yesterday"), "`from` must be seconds since the epoch or a time"),
        (Window(to="nan"), "`to` must be seconds"),
        (Window(to="1e300"), "`to` must be seconds"),
        (Window(from_="200", to="100"), "`from` must be before `to`"),
        (Window(bucket_seconds=7), "`bucket_seconds` must be one of 60, 300"),
        (Window(from_=str(NOW - 90 * DAY), to=str(NOW), bucket_seconds=3_600), "1000 are allowed"),
        (
            Window(from_=str(NOW - 3 * DAY), to=str(NOW - 3 * DAY + 600), bucket_seconds=60),
            "minutes are kept for 2 days",
        ),
    ],
)
def test_a_window_that_cannot_be_shown_is_refused_by_name(window: Window, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        buckets_of(window, NOW)
    assert says in caught.value.message


def test_both_forms_of_a_time_mean_the_same() -> None:
    written = buckets_of(
        Window(from_="2026-11-18T09:00:00Z", to="2026-11-18T10:00:00+00:00", bucket_seconds=60), 1.795e9
    )
    assert written == buckets_of(Window(from_="1794992400", to="1794996000", bucket_seconds=60), 1.795e9)
    assert BUCKETS[0] == MINUTE
