"""Figures are written as people read them, and never as what they are not."""

import pytest
from markupsafe import Markup

from gateway.dashboard import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "$0"),
        (1240.4, "$1,240"),
        (3.02, "$3.02"),
        (0.0054, "$0.0054"),
        (0.1, "$0.10"),
        (0.00012, "$0.00012"),
        (-1.5, "−$1.50"),
        (-0.049, "−$0.049"),
        (None, "–"),
    ],
)
def test_dollars_have_about_three_digits(value: float | None, shown: str) -> None:
    assert formats.usd(value) == shown


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.00017, 0.001, 0.00092], ["$0.00017", "$0.00100", "$0.00092"]),
        ([0.83206, 0.05415, 0.00048], ["$0.8321", "$0.0541", "$0.0005"]),
        ([1240.4, 0.00002, 0.0, None], ["$1,240.40", "<$0.01", "$0", "–"]),
        ([-0.18, -1.16, -0.026], ["−$0.180", "−$1.160", "−$0.026"]),
        ([184.2, 240.77, 0.61], ["$184.20", "$240.77", "$0.61"]),
        ([0.0, None], ["$0", "–"]),
    ],
)
def test_the_dollars_of_a_column_have_equally_many_decimals(values: list[float | None], shown: list[str]) -> None:
    assert [*map(formats.usd_column(values), values)] == shown


def test_two_waits_have_their_unit_once_if_it_is_the_same() -> None:
    assert formats.both_seconds((1.8, 6.4)) == "1.8 / 6.4 s"
    assert formats.both_seconds((0.46, 6.4)) == "460 ms / 6.4 s"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0%"), (0.0001, "<0.1%"), (0.004, "0.4%"), (0.61, "61%"), (0.996, ">99%"), (1.0, "100%")],
)
def test_a_share_is_none_or_all_only_if_it_is(value: float, shown: str) -> None:
    assert formats.percent(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0004, "0.4 ms"), (0.0025, "2.5 ms"), (0.34, "340 ms"), (2.34, "2.3 s"), (48.2, "48 s")]
)
def test_a_wait_has_its_unit(value: float, shown: str) -> None:
    assert formats.seconds(value) == shown


def test_times_are_utc_and_name_another_year() -> None:
    assert formats.moment(1_795_524_067.0) == "Nov 24, 12:41:07"
    assert formats.moment(1_795_524_067.0, 1_830_000_000.0).startswith("Nov 24 2026")
    assert formats.span(5 * 3_600) == "5 h"


def test_values_of_changes_fit_in_a_line() -> None:
    assert formats.shown_json({"quality_usd": 0.1, "second_usd": None}) == "quality_usd 0.1"
    assert formats.shown_json(["a"] * 100).endswith("…")
    assert formats.shown_json(False) == "no"


def test_a_long_name_in_a_chart_keeps_both_of_its_ends() -> None:
    assert formats.short("simulated/swift") == "simulated/swift"
    cut = formats.short("anthropic/claude-sonnet-5@thinking-high-priority", 28)
    assert (len(cut), cut[:9], cut[-9:]) == (28, "anthropic", "-priority")


def test_a_text_ends_the_changes_of_direction_that_it_leaves_open() -> None:
    assert formats.closed("a\u202eb\u2066c") == "a\u202eb\u2066c\u2069\u202c"
    assert formats.closed("שלום") == "שלום"
    assert formats.closed(Markup("<b>\u202e</b>")) == "<b>\u202e</b>"
    assert formats.closed(1.5) == 1.5
