"""The first page's hero: a figure only with its interval, grey words without evidence, and charts that say so."""

from collections.abc import Sequence

import pytest

from gateway.dashboard import savings_charts as charts
from gateway.dashboard.savings_charts import Bar, Spent
from gateway.dashboard.views.saved import saved
from gateway.management.savings_views import SavingsView

EXAMPLE = SavingsView.model_validate(SavingsView.model_config["json_schema_extra"]["examples"][0])  # type: ignore[index]
MODELS = ("openai/gpt-5.5", "openai/none")


def view(**changes: object) -> SavingsView:
    return SavingsView.model_validate({**EXAMPLE.model_dump(), **changes})


def estimate(mean: float, half: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


@pytest.mark.parametrize(
    ("saved_usd", "figure", "span", "measurable"),
    [
        (estimate(61.2, 6.2), "$61.20 saved", "between $55.00 and $67.40", True),
        (estimate(-3.0, 1.0), "$3.00 more spent", "between $2.00 and $4.00", True),
        (estimate(1.0, 2.0), "No measurable saving", "between −$1.00 and $3.00", False),
        (None, "", "", False),
    ],
)
def test_a_figure_is_measurable_only_if_its_interval_excludes_nothing(
    saved_usd: object, figure: str, span: str, measurable: bool
) -> None:
    hero = saved(view(saved_usd=saved_usd), MODELS, ["Nov 1"])
    assert (hero.figure, hero.is_measurable) == (figure, measurable)
    assert hero.span.startswith(span)


def test_the_story_tells_what_did_not_measurably_change_and_how_far_to_believe_it() -> None:
    hero = saved(EXAMPLE, MODELS, ["Nov 1"])
    story = " ".join(hero.sentences)
    assert "<b>$33.10</b> went to 18,412 requests. Those that can be compared cost <b>$30.36</b>;" in story
    assert "with openai/gpt-5.5 alone they would have cost <b>$91.56</b>." in story
    assert "Quality did not measurably change <b>(−2.6 to 0 points)</b>." in story
    assert "The wait is <b>0.7 s shorter</b> (−0.8 to −0.6 s)." in story
    assert (hero.evidence.kind, hero.evidence.steps, hero.baseline) == ("strong", 4, "openai/gpt-5.5")
    (row,) = hero.rows
    assert (row.spend, row.quality, row.wait, row.wanted) == ("−$3.60", "−1.3", "−0.7", "")
    assert 'class="k1"' in row.cell
    assert "95% interval $2.40 to $4.00" in row.cell


def test_the_ends_of_an_interval_are_told_apart_however_near_they_are() -> None:
    fixed = EXAMPLE.fixed[0].model_dump()
    waited = fixed["actual"]["seconds"]
    fixed["seconds"] = {"mean": waited + 0.12, "low": waited + 0.09, "high": waited + 0.14}
    story = " ".join(saved(view(fixed=[fixed]), MODELS, ["Nov 1"]).sentences)
    assert "The wait is <b>0.12 s shorter</b> (−0.14 to −0.09 s)." in story


def test_thin_evidence_is_told_in_words_without_a_number() -> None:
    unknown = {
        **EXAMPLE.fixed[0].model_dump(),
        **dict.fromkeys(("cost_usd", "quality", "seconds", "success", "saved_usd", "worth_difference_usd")),
        "effective_size": 12.0,
        "evidence": "none",
        "refused": "as good as 12 requests sent there at random; 30 are needed to compare",
        "more_days": 2.9,
    }
    hero = saved(view(saved_usd=None, baseline=None, baseline_is=None, fixed=[unknown]), MODELS, ["Nov 1"])
    assert hero.missing == (
        "openai/gpt-5.5: as good as 12 requests sent there at random; 30 are needed to compare. "
        "As things go, that takes about 3 days more."
    )
    assert (hero.evidence.kind, hero.rows[0].wanted) == ("none", "12 of 30 needed, about 3 days more")
    assert "not enough evidence" in hero.rows[0].cell
    assert hero.sentences == ["<b>$33.10</b> went to 18,412 requests."]
    nothing = saved(view(saved_usd=None, baseline=None, requests=0, fixed=[], days=[]), MODELS, [])
    assert (nothing.missing, nothing.sentences, nothing.rows) == ("Nothing can be compared yet.", [], [])


def days(count: int, without: Sequence[int] = ()) -> list[Spent]:
    return [
        Spent(f"Nov {n + 1}", 1.0 + n, None if n in without else Bar(2.0 + n, 3.0 + n, 4.0 + n)) for n in range(count)
    ]


def test_spend_over_time_has_a_band_only_where_the_baseline_is_known() -> None:
    assert charts.spend(days(1), "") == ""
    assert charts.spend(days(10), "").count('class="fq a15"') == 1
    assert charts.spend(days(10, without=(4,)), "").count('class="fq a15"') == 2
    assert charts.spend_title(days(3), "m/a") == (
        "Dollars per UTC day, spent: $1.00 to $3.00; always m/a, estimated: $3.00 to $5.00"
    )
    assert charts.spark([None, 1.0, None]) == ""
    assert "<path" in charts.spark([1.0, None, 2.0])


@pytest.mark.parametrize("bars", [[], [Bar(0.0, 0.0, 0.0)], [Bar(-1e9, 0.1, 1e9)], [Bar(2.0, 3.0, 4.0)]])
def test_the_forest_always_shows_zero(bars: list[Bar]) -> None:
    assert 0.0 <= charts.forest_scale(bars).at(0.0) <= 1.0


def test_the_story_escapes_names_and_says_once_what_is_all_compared() -> None:
    name = "elsewhere/<b>\u202e"
    fixed = {**EXAMPLE.fixed[0].model_dump(), "model": name, "covered": 1.0}
    hero = saved(view(fixed=[fixed], baseline=name, used=18_412, spent_usd=18_412 * 0.0018), [name], ["Nov 1"])
    assert hero.sentences[0] == (
        "<b>$33.14</b> went to 18,412 requests; with elsewhere/&lt;b&gt;\u202e\u202c alone they would have cost "
        "<b>$94.34</b>."
    )


def test_a_figure_stands_beside_its_interval_where_there_is_room() -> None:
    scale = charts.forest_scale([Bar(-3.0, -2.0, -1.0), Bar(6.0, 7.7, 9.0)])
    assert ">+$7.7</text>" in charts.forest(scale, Bar(6.0, 7.7, 9.0), 2, "")
    assert ">−$2</text>" in charts.forest(scale, Bar(-3.0, -2.0, -1.0), 2, "")
    assert "</text>" not in charts.forest(scale, Bar(-3.0, 1.0, 9.0), 2, "")
    assert ">0</text>" in charts.forest_ruler(scale)


def test_an_interval_that_includes_zero_is_grey() -> None:
    scale = charts.forest_scale([Bar(-1.0, 1.0, 3.0)])
    assert 'class="kq"' in charts.forest(scale, Bar(-1.0, 1.0, 3.0), 2, "")
    assert 'class="k2"' in charts.forest(scale, Bar(0.5, 1.0, 3.0), 2, "")
