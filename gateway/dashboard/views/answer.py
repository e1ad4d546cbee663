"""The answer to a question to the log, in words before figures before curves."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from bandit.quick import quick_dataclass
from gateway.dashboard.colours import GREY, colours_of
from gateway.dashboard.formats import count, percent, seconds, usd
from gateway.dashboard.frontier import bar, frontier
from gateway.dashboard.proposals import NO_SETTING, Difference, Proposed, differences, toml_of
from gateway.management.routers import RouterView

PER = 1_000
STRONG = 200.0
_SAMPLED = {
    "all": "all {of} requests of the last {days} days",
    "newest": "the newest {decisions} of {of} requests of the last {days} days",
    "uniform": "a uniform sample of {decisions} of the {of} requests of the last {days} days",
}

Told = Mapping[str, Any]


@quick_dataclass(frozen=True, slots=True)
class Figure:
    """A line of the comparison. `kind` is grey unless the interval of the change excludes 0."""

    name: str
    now: str
    proposed: str
    interval: str
    change: str
    kind: str


@quick_dataclass(frozen=True, slots=True)
class ShareRow:
    """A model's share of the first choices, now and then."""

    model: str
    colour: int
    now: str
    then: str


@quick_dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer as far as it is known: `done` is the part of the work that is behind it."""

    router: RouterView
    proposed: Proposed
    done: float
    sentence: str = ""
    figures: Sequence[Figure] = ()
    shares: Sequence[ShareRow] = ()
    bars: Sequence[Markup] = ()
    chart: Markup | None = None
    chart_done: float = 0.0
    evidence: str = ""
    evidence_kind: str = "warn"
    empty: bool = False
    notes: Sequence[str] = ()
    differences: Sequence[Difference] = ()
    toml: str = ""
    no_setting: bool = False
    may_change: bool = False


@quick_dataclass(frozen=True, slots=True)
class _Row:
    """How a figure is told: its unit, which way is better, and its verb."""

    key: str
    name: str
    text: Callable[[float], str]
    less_is_better: bool
    factor: float = 1.0
    complement: bool = False


_ROWS = (
    _Row("cost_usd", "Spend", usd, True, PER),
    _Row("quality", "Mean score", lambda value: f"{value:.3f}", False),
    _Row("seconds", "Mean wait", seconds, True),
    _Row("success", "Failures", lambda value: f"{100 * value:.1f}%", True, complement=True),
    _Row("utility_usd", "Worth", usd, False, PER),
)


def working(router: RouterView, proposed: Proposed, done: float) -> AnswerView:
    """An answer of which nothing is known yet."""
    return AnswerView(router, proposed, done)


def answer_view(
    router: RouterView,
    proposed: Proposed,
    told: Told,
    known: Told | None,
    chart_done: float,
    *,
    may_change: bool,
) -> AnswerView:
    """The answer, with the frontier as far as it is `known`."""
    colours = colours_of(model.id for model in router.models)
    logged, target = told["logged"]["doubly_robust"], told["target"]["doubly_robust"]
    changed = differences(proposed, router)
    figures = [_figure(row, logged, target, told["difference"], is_proposed=bool(changed)) for row in _ROWS]
    now, then = told["shares"]["logged"], told["shares"]["target"]
    ids = sorted(now, key=lambda id_: -max(now[id_], then[id_]))
    evidence, kind = _evidence(told["target"])
    return AnswerView(
        router=router,
        proposed=proposed,
        done=1.0,
        sentence=sentence(told) if changed else "This is how the router is set: nothing would change.",
        figures=figures,
        shares=[
            ShareRow(id_.rpartition("/")[2], colours.get(id_, GREY), percent(now[id_]), percent(then[id_]))
            for id_ in ids
            if now[id_] > 0.0005 or then[id_] > 0.0005
        ],
        bars=[
            bar([(id_, colours.get(id_, GREY), shares[id_]) for id_ in now], name)
            for shares, name in ((now, "Now"), (then, "Then"))
        ],
        chart=frontier(known, target, colours) if known else None,
        chart_done=chart_done,
        evidence=evidence,
        evidence_kind=kind,
        empty=told["sampled"]["decisions"] == 0,
        notes=_notes(told, proposed.days),
        differences=changed,
        toml=toml_of(proposed, router),
        no_setting=proposed.policy in NO_SETTING,
        may_change=may_change,
    )


def sentence(told: Told) -> str:
    """The differences in one sentence, each with its interval."""
    parts = []
    for row in _ROWS[:3]:
        if (each := told["difference"].get(row.key)) is None:
            continue
        low, mean, high = (row.factor * each[name] for name in ("low", "mean", "high"))
        if not _is_seen(row, each):
            parts.append(f"{row.name.lower()} would not measurably change")
        else:
            more = "more" if mean > 0 else "less"
            ends = sorted((abs(low), abs(high)))
            parts.append(
                f"{row.name.lower()} {row.text(abs(mean))} {more} ({row.text(ends[0])} to {row.text(ends[1])})"
            )
    if not parts:
        return "The log says too little of this proposal."
    text = "; ".join(parts)
    return f"Per 1,000 requests, with 95% intervals: {text}."


def _figure(row: _Row, logged: Told, target: Told, difference: Told, *, is_proposed: bool) -> Figure:
    def shown(estimates: Told) -> str:
        each = estimates.get(row.key)
        return "–" if each is None else row.text(row.factor * (1.0 - each["mean"] if row.complement else each["mean"]))

    change = difference.get(row.key)
    if not is_proposed:
        return Figure(row.name, shown(logged), shown(target), "–", "–", "same")
    if change is None:
        return Figure(row.name, shown(logged), shown(target), "–", "too little evidence", "same")
    sign = -1.0 if row.complement else 1.0
    mean, half = sign * row.factor * change["mean"], row.factor * (change["high"] - change["low"]) / 2.0
    interval = f"± {row.text(half)}"
    if not _is_seen(row, change):
        return Figure(row.name, shown(logged), shown(target), interval, "no difference seen", "same")
    better = (mean < 0.0) == row.less_is_better
    text = f"{'−' if mean < 0.0 else '+'}{row.text(abs(mean))}"
    return Figure(row.name, shown(logged), shown(target), interval, text, "better" if better else "worse")


def _is_seen(row: _Row, change: Told) -> bool:
    """Whether a change is one: its interval excludes zero, and it is more than an error of rounding."""
    return not change["low"] <= 0.0 <= change["high"] and row.text(row.factor * abs(change["mean"])) != row.text(0.0)


def _evidence(target: Told) -> tuple[str, str]:
    """How much the log says of the target, in one plain figure, and the icon's kind."""
    sizes, refused = target["effective_size"], target["refused"]
    if refused:
        told = "; ".join(dict.fromkeys(why.removeprefix("not enough evidence: ") for why in refused.values()))
        return f"Thin evidence: {told}", "warn"
    size = min(sizes.values(), default=0.0)
    word = "Enough evidence" if size >= STRONG else "Some evidence"
    return f"{word}: as good as {count(round(size))} requests served this way", "good" if size >= STRONG else "info"


def _notes(told: Told, days: int) -> list[str]:
    sampled = told["sampled"]
    from_what = _SAMPLED[sampled["kind"]].format(
        decisions=count(sampled["decisions"]), of=count(sampled["of"]), days=days
    )
    left_out = {**told["left_out"], **told["target"]["left_out"]}
    notes = [f"From {from_what}."]
    notes += [f"Left out: {count(number)} ({why})." for why, number in left_out.items()]
    notes += [f"{note[:1].upper()}{note[1:]}." for note in told["target"]["notes"]]
    notes.append(
        "It is what would have been, with what was known and the prices of then: the future need not be like it."
    )
    return notes
