"""The hero of the first page: what a router saved, in a sentence with its interval, and whether to believe it."""

from collections.abc import Sequence
from math import floor

from markupsafe import Markup

from bandit.quick import quick_dataclass
from gateway.dashboard.colours import colours_of
from gateway.dashboard.formats import closed, count, usd
from gateway.dashboard.savings_charts import Bar, Spent, forest, forest_ruler, forest_scale, spend, spend_title
from gateway.management.savings import BestSaving
from gateway.management.savings_views import EstimateView, FixedView, SavingsView

DECIMALS = 9
"""What floating point leaves of equal figures is no difference."""
SPAN_DAYS = 30.0
"""Longer waits for evidence are not foretold."""


@quick_dataclass(frozen=True, slots=True)
class ForestRow:
    """One model of the forest. `wanted` says what is missing if nothing can be told."""

    model: str
    colour: int
    cell: Markup
    spend: str
    quality: str
    wait: str
    wanted: str


@quick_dataclass(frozen=True, slots=True)
class Evidence:
    """How far to believe it: `steps` of five, and why."""

    kind: str  # strong, some or none
    steps: int
    title: str
    text: str


@quick_dataclass(frozen=True, slots=True)
class Saved:
    """The hero. `figure` is empty if nothing can be told; then `missing` says what would help.

    It is measurable if its interval excludes 0.
    """

    figure: str
    is_measurable: bool
    span: str
    missing: str
    baseline: str
    sentences: Sequence[Markup]
    evidence: Evidence
    rows: Sequence[ForestRow]
    ruler: Markup
    days: Markup
    notes: Sequence[str]
    formula: str


@quick_dataclass(frozen=True, slots=True)
class SavedRow:
    """A router's saving in a row: `figure` with its interval, or in `missing` what lacks for one."""

    figure: str
    interval: str
    is_measurable: bool
    missing: str


def saved_row(best: BestSaving) -> SavedRow:
    """What a router saved against the best single model."""
    told = _bar(best.saved_usd)
    if told is not None:
        interval = f"{_plain(told.low)} to {_plain(told.high)}"
        return SavedRow(usd(told.mean), interval, told.excludes_zero, f"against {best.baseline}")
    days = best.more_days
    more = f": about {_days(days)} more" if days is not None and days <= SPAN_DAYS else ""
    return SavedRow("", "", False, f"not enough evidence{more}")


def saved(view: SavingsView, models: Sequence[str], labels: Sequence[str]) -> Saved:
    """The hero of a router's savings; `models` are its models in order, `labels` those of the view's days."""
    fixed = {each.model: each for each in view.fixed}
    chosen = fixed.get(view.baseline or "")
    told = _bar(view.saved_usd)
    rows, ruler = _forest(view.fixed, models)
    days = [
        Spent(label, each.spent_usd, _bar(each.baseline_usd)) for label, each in zip(labels, view.days, strict=True)
    ]
    return Saved(
        figure="" if told is None else _figure(told),
        is_measurable=told is not None and told.excludes_zero,
        span="" if told is None else _span(told),
        missing=_missing(view),
        baseline=view.baseline or "",
        sentences=_sentences(view, chosen),
        evidence=_evidence(chosen or max(view.fixed, key=lambda each: each.effective_size, default=None)),
        rows=rows,
        ruler=ruler,
        days=spend(days, spend_title(days, view.baseline or "")),
        notes=view.notes,
        formula=f"{view.used:,} of {view.requests:,} requests are compared; {view.redrawn:,} were answered after a "
        "failover, of which the first call is compared alone.",
    )


def _figure(told: Bar) -> str:
    if not told.excludes_zero:
        return "No measurable saving"
    return f"{usd(abs(told.mean))} {'saved' if told.mean > 0.0 else 'more spent'}"


def _plain(dollars: float) -> str:
    return usd(dollars).replace("$", "")


def _span(told: Bar) -> str:
    if told.excludes_zero:
        low, high = sorted((abs(told.low), abs(told.high)))
        return f"between {usd(low)} and {usd(high)}, with 95% confidence"
    return f"between {usd(told.low)} and {usd(told.high)}, with 95% confidence: that includes nothing"


def _missing(view: SavingsView) -> str:
    """What is needed before a figure can be told."""
    if view.saved_usd is not None:
        return ""
    sizes = [each for each in view.fixed if each.refused is not None]
    nearest = max(sizes, key=lambda each: each.effective_size, default=None)
    if nearest is None:
        return "Nothing can be compared yet."
    more = nearest.more_days
    days = "" if more is None or more > SPAN_DAYS else f" As things go, that takes about {_days(more)} more."
    return f"{nearest.model}: {nearest.refused}.{days}"


def _sentences(view: SavingsView, chosen: FixedView | None) -> list[Markup]:
    """The story, each sentence with its interval, and its figures in bold."""
    if view.requests == 0:
        return []
    requests = f"{view.requests:,} request{'' if view.requests == 1 else 's'}"
    spent = Markup("<b>{}</b> went to {}").format(usd(view.spent_usd), requests)
    if chosen is None or chosen.cost_usd is None or view.saved_usd is None:
        return [spent + "."]
    compared = chosen.actual.cost_usd * view.used * chosen.covered
    if usd(compared) != usd(view.spent_usd):
        spent += Markup(". Those that can be compared cost <b>{}</b>").format(usd(compared))
    alone = Markup("; with {} alone they would have cost <b>{}</b>.")
    told = [spent + alone.format(closed(chosen.model), usd(compared + view.saved_usd.mean))]
    if chosen.quality is not None and chosen.actual.quality is not None:
        told.append(
            _change("Quality", _minus(chosen.actual.quality, chosen.quality, 100.0), "points", "higher", "lower")
        )
    if chosen.seconds is not None:
        told.append(_change("The wait", _minus(chosen.actual.seconds, chosen.seconds), "s", "longer", "shorter"))
    return told


def _change(what: str, difference: Bar, unit: str, more: str, less: str) -> Markup:
    low, high = difference.low, difference.high
    places = next((each for each in range(1, DECIMALS) if _tells_apart(low, high, each)), DECIMALS)
    numbers = f"{_signed(low, places)} to {_signed(high, places)} {unit}"
    if not difference.excludes_zero:
        return Markup("{} did not measurably change <b>({})</b>.").format(what, numbers)
    way = more if difference.mean > 0.0 else less
    size = f"{abs(difference.mean):.2g} {unit} {way}"
    return Markup("{} is <b>{}</b> ({}).").format(what, size, numbers)


def _tells_apart(low: float, high: float, places: int) -> bool:
    """Whether an interval has a width when it is rounded, and touches zero only if it does."""
    return 10.0**-places <= 0.51 * (high - low) and all(end == 0.0 or round(end, places) for end in (low, high))


def _evidence(told: FixedView | None) -> Evidence:
    if told is None or told.evidence == "none":
        size = 0.0 if told is None else told.effective_size
        text = f"The log says as much as {floor(size)} requests sent there at random; 30 are needed."
        return Evidence("none", min(int(size // 30), 1), "Not enough evidence.", text)
    text = f"The log says as much as {told.effective_size:,.0f} requests sent there at random."
    if told.evidence == "strong":
        return Evidence("strong", 5 if told.effective_size > 2_000.0 else 4, "Strong evidence.", text)
    return Evidence("some", 3 if told.effective_size > 100.0 else 2, "Some evidence.", text)


def _forest(fixed: Sequence[FixedView], models: Sequence[str]) -> tuple[list[ForestRow], Markup]:
    """The rows by what they say, and the ruler below them; worth is per 1,000 requests."""
    colours = colours_of(models)
    bars = {each.model: bar for each in fixed if (bar := _bar(each.worth_difference_usd, 1_000.0)) is not None}
    scale = forest_scale(list(bars.values()))
    rows: list[ForestRow] = []
    for each in sorted(fixed, key=lambda one: bars[one.model].mean if one.model in bars else float("inf")):
        bar, colour = bars.get(each.model), colours.get(each.model, 9)
        rows.append(
            ForestRow(
                model=each.model,
                colour=colour,
                cell=forest(scale, bar, colour, _row_title(each.model, bar)),
                spend=_difference(each.actual.cost_usd, each.cost_usd, 1_000.0, dollars=True),
                quality=_difference(each.actual.quality, each.quality, 100.0),
                wait=_difference(each.actual.seconds, each.seconds, 1.0),
                wanted="" if bar is not None else _wanted(each),
            )
        )
    return rows, forest_ruler(scale) if bars else Markup("")


def _wanted(each: FixedView) -> str:
    if each.evidence != "none":
        return "no scores yet"
    days = f", about {_days(each.more_days)} more" if each.more_days is not None and each.more_days <= SPAN_DAYS else ""
    return f"{floor(each.effective_size)} of 30 needed{days}"


def _row_title(model: str, bar: Bar | None) -> str:
    if bar is None:
        return f"{model}: not enough evidence"
    told = f"{usd(bar.mean)}, 95% interval {usd(bar.low)} to {usd(bar.high)}"
    return f"Worth per 1,000 requests, this router less always {model}: {told}"


def _difference(actual: float | None, fixed: EstimateView | None, times: float, *, dollars: bool = False) -> str:
    """The router's figure less the model's, with its sign."""
    if actual is None or fixed is None:
        return "–"
    value = round(times * (actual - fixed.mean), DECIMALS)
    if dollars:
        return f"{'+' if value > 0.0 else ''}{usd(value)}"
    return _signed(value)


def _signed(value: float, places: int | None = None) -> str:
    """A difference with its sign: to that many places, or about two digits of it."""
    if value == 0.0:
        return "0"
    text = f"{abs(value):.{places}f}" if places else f"{abs(value):.1f}" if abs(value) >= 1.0 else f"{abs(value):.2g}"
    return f"{'−' if value < 0.0 else '+'}{text}"


def _minus(actual: float, fixed: EstimateView, times: float = 1.0) -> Bar:
    low, mean, high = (round(times * (actual - each), DECIMALS) for each in (fixed.high, fixed.mean, fixed.low))
    return Bar(low, mean, high)


def _bar(estimate: EstimateView | None, times: float = 1.0) -> Bar | None:
    if estimate is None:
        return None
    return Bar(times * estimate.low, times * estimate.mean, times * estimate.high)


def _days(days: float) -> str:
    return f"{count(max(round(days), 1))} day{'s' if round(days) > 1 else ''}"
