"""Savings of a router: read from the sums, told with intervals, and refused where they are unknown."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bandit.types import Json
from gateway.catalog.catalog import Catalog
from gateway.errors import BadRequest, NotFound
from gateway.management.context import Management
from gateway.management.savings import best_savings, savings
from gateway.management.savings_views import IN_HINDSIGHT, NO_SCORES, RANDOM_SCORES, SavingsView
from storage.calendar import DAY
from storage.database.engine import Database
from storage.records import Actor, CompletionRecord, RouterModel, RouterRecord, Via
from storage.stores import fixed_sums as store
from storage.stores.routers import Routers
from tests.support.records import NOW, RecordMaker, RunningWriter

OBJECTIVE: Json = {"quality_usd": 0.1, "second_usd": 0.001, "failure_usd": 0.01}
END = NOW - NOW % DAY + DAY


def no_catalog() -> Catalog:
    raise AssertionError("the objective is in dollars")


@pytest.fixture
def management(database: Database) -> Management:
    models = (RouterModel("m/cheap"), RouterModel("m/dear"), RouterModel("m/rare"), RouterModel("m/off", enabled=False))
    Routers(database).put(RouterRecord("rtr_a", "A", b"s" * 32, {"objective": OBJECTIVE}, models, NOW, NOW))
    return Management(database, no_catalog, Actor(Via.CLI), END, "http://x")


@pytest.fixture
def running(database: Database) -> Iterator[RunningWriter]:
    writing = RunningWriter(database)
    yield writing
    writing.writer.close()


def drawn(making: RecordMaker, number: int, model: str, p: float, cost_usd: float) -> CompletionRecord:
    record = making.completion("rtr_a", model, at=NOW - number % 3 * DAY, cost_usd=cost_usd)
    return replace(record, decision=replace(record.decision, propensity=p))


def written(running: RunningWriter, *, scored: bool = True) -> None:
    making = RecordMaker()
    records = [drawn(making, number, "m/cheap", 0.75, 0.001) for number in range(150)]
    records += [drawn(making, number, "m/dear", 0.2, 0.02) for number in range(40)]
    records += [drawn(making, number, "m/rare", 0.05, 0.01) for number in range(10)]
    sticky = drawn(making, 1, "m/cheap", 0.75, 0.001)
    running.write(*records, replace(sticky, decision=replace(sticky.decision, randomised=False)))
    if scored:
        quality = {"m/cheap": 0.5, "m/dear": 0.9, "m/rare": 0.4}
        running.write(
            *((making.score(each.decision.completion_id, quality[each.decision.drawn_model_id]),) for each in records)
        )


def test_savings_tell_what_always_one_model_would_have_cost(management: Management, running: RunningWriter) -> None:
    written(running)
    view = savings(management, "rtr_a")
    assert (view.requests, view.used, view.baseline, view.baseline_is) == (201, 200, "m/dear", "best_fixed")
    assert view.spent_usd == pytest.approx(0.151 + 0.8 + 0.1)
    assert view.saved_usd is not None
    assert view.saved_usd.mean == pytest.approx(200 * 0.02 - (0.15 + 0.8 + 0.1))
    assert view.saved_usd.low <= view.saved_usd.mean <= view.saved_usd.high
    cheap, dear, rare = view.fixed
    assert (cheap.evidence, dear.evidence, rare.evidence) == ("some", "some", "none")
    assert rare.refused == "as good as 10 requests sent there at random; 30 are needed to compare"
    assert rare.more_days == pytest.approx(20 * 3 / 10)
    assert rare.worth_difference_usd is None
    assert dear.quality is not None
    assert dear.quality.mean == pytest.approx(0.9)
    assert dear.worth_difference_usd is not None
    assert dear.worth_difference_usd.mean < 0.0, "always the dear one would have been worth more"
    assert sum(day.spent_usd for day in view.days) == pytest.approx(view.spent_usd)
    with_baseline = sum(day.baseline_usd.mean for day in view.days if day.baseline_usd is not None)
    assert with_baseline - view.spent_usd == pytest.approx(view.saved_usd.mean)
    assert view.notes[:2] == [RANDOM_SCORES, IN_HINDSIGHT]
    assert "1 requests are not compared" in view.notes[2]
    short = best_savings(management, [management.existing_router("rtr_a")], str(view.from_at), str(view.to_at))["rtr_a"]
    assert (short.baseline, short.saved_usd) == (view.baseline, view.saved_usd)


def test_the_baseline_is_a_persons_choice_and_a_window_is_whole_days(
    management: Management, running: RunningWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(running, scored=False)
    unknown = savings(management, "rtr_a")
    assert (unknown.baseline, unknown.saved_usd, NO_SCORES in unknown.notes) == (None, None, True)
    assert unknown.fixed[1].cost_usd is not None
    short = best_savings(management, [management.existing_router("rtr_a")], str(unknown.from_at), str(unknown.to_at))[
        "rtr_a"
    ]
    assert (short.baseline, short.saved_usd, short.more_days) == (None, None, None)
    chosen = savings(management, "rtr_a", baseline="m/cheap")
    assert chosen.saved_usd is not None
    assert (chosen.baseline_is, chosen.saved_usd.mean < 0.0, IN_HINDSIGHT in chosen.notes) == ("chosen", True, False)
    today = savings(management, "rtr_a", str(NOW), str(NOW + 1), "m/off")
    assert (today.from_at, today.to_at, len(today.days)) == (END - DAY, END, 1)
    assert today.used == 68
    monkeypatch.setattr(store, "MOST_CELLS", 5)  # several days become one
    coarse = savings(management, "rtr_a", baseline="m/cheap")
    assert coarse.bucket_seconds == 2 * DAY
    assert (coarse.used, coarse.saved_usd and coarse.saved_usd.mean) == pytest.approx((200, chosen.saved_usd.mean))
    assert sum(day.spent_usd for day in coarse.days) == pytest.approx(chosen.spent_usd)


def test_a_saving_in_short_says_how_long_it_takes_until_one_is_known(
    management: Management, running: RunningWriter
) -> None:
    making = RecordMaker()
    records = [drawn(making, number, "m/cheap", 0.75, 0.001) for number in range(10)]
    running.write(*records, *((making.score(each.decision.completion_id, 0.5),) for each in records))
    view = savings(management, "rtr_a")
    short = best_savings(management, [management.existing_router("rtr_a")], str(view.from_at), str(view.to_at))["rtr_a"]
    assert short.baseline is None
    assert short.more_days is not None
    assert short.more_days == min(each.more_days for each in view.fixed if each.more_days is not None)


def test_nothing_is_told_of_a_router_without_requests(management: Management) -> None:
    view: SavingsView = savings(management, "rtr_a")
    assert (view.requests, view.used, view.actual, view.baseline, view.days, view.notes) == (0, 0, None, None, [], [])
    assert {each.evidence for each in view.fixed} == {"none"}


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"from_": "soon"}, "from"),
        ({"from_": "5", "to": "5"}, "from"),
        ({"from_": "0", "to": str(10_000 * DAY)}, "from"),
        ({"to": "nan"}, "to"),
        ({"baseline": "m/none"}, "baseline"),
    ],
)
def test_a_wrong_question_is_refused_by_name(management: Management, arguments: dict[str, str], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        savings(management, "rtr_a", **arguments)
    assert caught.value.param == param


def test_a_router_that_the_key_may_not_see_is_none(management: Management) -> None:
    with pytest.raises(NotFound):
        savings(replace(management, router_ids=("rtr_b",)), "rtr_a")
