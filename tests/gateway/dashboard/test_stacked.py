"""Shares over time stay inside their chart, leave gaps where nothing was asked, and let no name become markup."""

import itertools
import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from gateway.dashboard.stacked import HEIGHT, Series, Stacked, stacked

HOSTILE = "\"'><script>alert(1)</script>&{{7*7}}"
HOUR = 3_600


def drawn(buckets: list[list[float]], marks: list[float]) -> Stacked:
    """Hours of shares of as many models as each has; an hour without any is left out."""
    shares: list[dict[int, float]] = [{} for _ in range(max(map(len, buckets), default=0))]
    for number, weights in enumerate(buckets):
        for model, weight in enumerate(weights):
            shares[model][number * HOUR] = weight / sum(weights)
    series = [Series("a/", HOSTILE, number % 9 + 1, each) for number, each in enumerate(shares)]
    return stacked(series, 0.0, float(HOUR * len(buckets)), HOUR, marks, HOSTILE)


@given(
    buckets=st.lists(st.lists(st.floats(0.001, 1.0), max_size=9), min_size=1, max_size=12),
    marks=st.lists(st.floats(-1e5, 1e6), max_size=9),
)
def test_any_shares_are_drawn_inside_the_chart(buckets: list[list[float]], marks: list[float]) -> None:
    chart = drawn(buckets, sorted(marks))
    for each in (chart.body, chart.y, chart.x, chart.ends):
        ElementTree.fromstring(str(each))  # noqa: S314 - our own
        assert "<script" not in str(each)
    for outline in re.findall(r'<path d="([^"]*)"', str(chart.body)):
        assert all(-0.001 <= float(number) <= 1000.001 for number in re.findall(r"-?[\d.]+", outline))
    heights = [float(y) * HEIGHT / 100 for y in re.findall(r'y="(-?[\d.]+)%" dx="8"', str(chart.ends))]
    assert all(lower - upper > 13.9 for lower, upper in itertools.pairwise(heights))
    assert all(-0.1 <= height <= HEIGHT + 0.1 for height in heights)


def test_hours_without_requests_are_gaps() -> None:
    body = str(drawn([[1.0], [0.5], [], [1.0]], []).body)
    assert len(re.findall(r'class="f1 a75"', body)) == 2


def test_marks_that_are_close_are_numbered_beside_one_another() -> None:
    body = str(drawn([[1.0]], [10.0, 11.0, 12.0]).body)
    places = [float(x) for x in re.findall(r'cx="([\d.]+)%" cy="-5%"', body)]
    assert all(right - left >= 2.5 for left, right in itertools.pairwise(places))
