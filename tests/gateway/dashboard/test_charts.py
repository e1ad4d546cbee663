"""Charts stay inside their box, say in words what they show, and let no text become markup."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dashboard import charts
from gateway.dashboard.charts import Bar, Interval
from gateway.dashboard.svg import Linear, Logarithmic, around

HOSTILE = "\"'><script>alert(1)</script>&{{7*7}}"
numbers = st.floats(-1e6, 1e6, allow_nan=False)


def positions(chart: str) -> list[float]:
    return [float(each) for each in re.findall(r'(?:x|y|x1|x2|y1|y2|cx|cy|width|height)="(-?[\d.]+)%"', chart)]


@given(low=numbers, width=st.floats(0, 1e6), inside=st.floats(0, 1), logarithmic=st.booleans())
def test_any_interval_is_drawn_inside_its_cell(low: float, width: float, inside: float, logarithmic: bool) -> None:
    low = abs(low) if logarithmic else low
    values = Interval(low, low + inside * width, low + width)
    chart = charts.interval(around([values.low, values.high], logarithmic=logarithmic), values, 3, "Quality")
    ElementTree.fromstring(str(chart))  # noqa: S314 - our own
    assert all(-1.0 <= each <= 101.0 for each in positions(str(chart)))
    assert all(math.isfinite(each) for each in positions(str(chart)))


@given(low=st.floats(1e-6, 1e6), ratio=st.floats(1.01, 1e6), most=st.integers(3, 5))
def test_scales_have_two_to_five_ticks_in_order(low: float, ratio: float, most: int) -> None:
    for scale in (Linear(low, low * ratio), Logarithmic(low, low * ratio)):
        ticks = list(scale.ticks(most))
        assert 2 <= len(ticks) <= 5
        assert ticks == sorted(ticks)


def test_names_are_text_in_every_chart() -> None:
    bars = [Bar(HOSTILE, 1, 0.0, 8.0, False, None), Bar(HOSTILE, 2, 8.0, 2.3, True, 0.7)]
    drawn = (
        charts.strip([(HOSTILE, 1, 0.6), ("b", 2, 0.4)], 0.41),
        charts.timeline(bars),
        charts.interval(Linear(0, 1), Interval(0.2, 0.3, 0.4), 1, HOSTILE),
    )
    for chart in drawn:
        root = ElementTree.fromstring(str(chart))  # noqa: S314 - our own
        assert HOSTILE.split("<", maxsplit=1)[0] in root.attrib["aria-label"]
        assert "<script" not in str(chart)


@pytest.mark.parametrize("u", [0.0, 0.4173, 0.9999, None])
def test_the_needle_of_a_draw_is_told(u: float | None) -> None:
    chart = str(charts.strip([("a/b", 1, 0.61), ("c/d", 2, 0.39)], u))
    assert "a/b 61%, c/d 39%" in chart
    assert ("u is" in chart) == (u is not None)


def test_a_timeline_of_nothing_is_a_chart() -> None:
    assert "Attempts over time" in charts.timeline([])


def test_a_scale_around_zero_is_labelled_with_round_values() -> None:
    assert list(Linear(-0.476, 0.476).ticks(4)) == [-0.25, 0.0, 0.25]
