"""A router's log in memory: what it takes of the ledger, how it keeps up, and what a question makes of it."""

from dataclasses import replace

import msgspec
import pytest

from bandit.ope.estimates import Figure
from bandit.ope.targets import Proposal
from bandit.types import Ending, Epoch, Objective
from gateway.analyst.answers import evaluation, frontier, to_json
from gateway.analyst.log import RouterLog, Sampling, logged
from storage.calendar import DAY
from storage.database.engine import Database
from storage.stores import first_draws
from storage.stores.first_draws import FirstDraw, FirstDraws, Scored
from tests.support.drawn_log import COST_USD, MODELS, QUALITY, fill, score_of
from tests.support.records import NOW, RecordMaker, RunningWriter, later

COUNT = 900
END = later(COUNT + 100.0)
DRAW = FirstDraw("req_1", 10.0, "code", "a/one", True, "req_1", Ending.COMPLETE, 0.5, 2.0)


def held(database: Database, most: int = 20_000, days: float = 1.0) -> RouterLog:
    log = RouterLog(FirstDraws(database), "rtr_a", days, most)
    log.read(END)
    return log


def test_a_log_is_read_in_pages_kept_up_and_evaluated(
    database: Database, running: RunningWriter, making: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_draws, "AT_ONCE", 250)
    records = fill(running, making, COUNT, 60)
    told: list[float] = []
    log = RouterLog(FirstDraws(database), "rtr_a", 1.0, 20_000)
    log.read(END, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    before = evaluation(log.evidence(END), Proposal("fixed:m/fair"))
    assert before.sampled.kind is Sampling.ALL
    assert before.target.decisions + sum(before.target.left_out.values()) == COUNT
    told_cost = before.target.doubly_robust[Figure.COST]
    assert told_cost.low <= COST_USD[1] <= told_cost.high
    told_quality = before.target.doubly_robust[Figure.QUALITY]
    assert told_quality.low <= QUALITY[1] <= told_quality.high
    assert before.shares["m/fair"] == 1.0
    assert sum(before.logged_shares.values()) == pytest.approx(1.0)
    assert before.difference[Figure.COST].high < 0.0

    same = evaluation(log.evidence(END), Proposal())
    assert same.difference[Figure.UTILITY].mean == pytest.approx(0.0, abs=1e-12)
    assert same.shares == pytest.approx(same.logged_shares)

    steps = [msgspec.json.encode(known) for known in frontier(log.evidence(END), Proposal(), 5)]
    assert len(steps) == len(set(steps)) == 1 + len(MODELS) + 5
    points = msgspec.json.decode(steps[-1])["points"]
    costs = [each["figures"]["cost_usd"]["mean"] for each in points]
    assert costs[0] < costs[-1]
    assert [each["quality_usd"] for each in points] == pytest.approx(
        [0.02 / 32, 0.02 / 5.657, 0.02, 0.02 * 5.657, 0.64], rel=1e-3
    )

    scored = log.evidence(END).fitted.data.scored.sum()
    fill(running, making, 10, 2, start=END, seed=9)
    unscored = next(number for number in range(1, COUNT, 2) if records[number].attempts[0].model_id == "m/fair")
    score = replace(score_of(records, making, unscored, 0.0), at=END + 1)
    running.write((score,))
    log.refresh(Epoch(END + 500))
    after = evaluation(log.evidence(Epoch(END + 500)), Proposal("fixed:m/fair"))
    assert after.sampled.decisions == COUNT + 10
    assert log.evidence(Epoch(END + 500)).fitted.data.scored.sum() == scored + 5 + 1


def test_too_many_decisions_are_sampled_evenly_and_of_far_too_many_the_newest_are_taken(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    fill(running, making, COUNT, 5)
    sample = held(database, most=300).evidence(END).sampled
    assert (sample.kind, sample.of) == (Sampling.UNIFORM, COUNT)
    assert 200 <= sample.decisions <= 300
    assert sample.since < NOW + 30
    newest = held(database, most=60).evidence(END)
    assert (newest.sampled.kind, newest.sampled.decisions) == (Sampling.NEWEST, 60)
    assert newest.sampled.since == NOW + COUNT - 60
    few = held(database).thinned(END, 2)
    assert len(few.choices.p) <= 5
    assert 200 < len(few.fitted.data.arm) < COUNT / 2


def test_a_choice_that_is_stored_again_is_held_once(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    fill(running, making, COUNT, 1)
    log = held(database)
    stored = {draw.choice_id for page in FirstDraws(database).pages("rtr_a", NOW, 1.0) for draw in page}
    assert len(stored) > 1
    evidence = log.evidence(END)
    assert len(evidence.choices.p) == 1
    assert len(evidence.fitted.data.arm) + sum(evidence.fitted.left_out.values()) == COUNT


def test_choices_of_decisions_that_have_left_the_window_are_not_held(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    fill(running, making, COUNT, 60)
    log = held(database)
    assert len(log._choices) > 1
    assert len(log._distinct) == 60
    log.read(Epoch(END + 30 * DAY))
    assert (log._choices, log._distinct) == ({}, {})


def test_reading_arranging_and_evaluating_a_log_is_done_in_steps(
    database: Database, running: RunningWriter, making: RecordMaker
) -> None:
    fill(running, making, COUNT, 60)
    pauses: list[str] = []
    log = RouterLog(FirstDraws(database), "rtr_a", 1.0, 20_000, lambda: pauses.append("log"))
    log.read(END)
    log.evidence(END)
    evaluation(log.evidence(END), Proposal(objective=Objective(0.01, 0.0, 0.0)), lambda: pauses.append("question"))
    list(frontier(log.evidence(END), Proposal(), 5, lambda: pauses.append("frontier")))
    assert pauses.count("log") > COUNT / 200
    assert pauses.count("question") > 4
    assert pauses.count("frontier") >= 5


def test_a_window_without_decisions_refuses_every_figure(database: Database) -> None:
    answer = to_json(evaluation(held(database).evidence(END), Proposal("uniform", Objective(0.01, 0.0, 0.0))))
    assert answer["shares"] == {"logged": {}, "target": {}}
    assert "no randomised decision" in str(answer["target"])


def test_an_answer_counts_with_its_own_cost_and_its_score() -> None:
    one = logged(DRAW, Scored(0.75, 0.25, 40.0), 3)
    assert not isinstance(one, str)
    assert (one.model_id, one.answered, one.cost_usd, one.seconds, one.choice) == ("a/one", True, 0.5, 2.0, 3)
    assert (one.score, one.weight, one.scored_at) == (0.75, 0.25, 40.0)


def test_a_first_draw_that_failed_is_its_own_failure_whoever_answered_then() -> None:
    one = logged(replace(DRAW, ending=Ending.TIMEOUT), Scored(1.0, 1.0, 20.0), 0)
    assert not isinstance(one, str)
    assert (one.answered, one.score) == (False, None)


@pytest.mark.parametrize("ending", [Ending.CLIENT_GONE, Ending.RATE_LIMITED, Ending.MISCONFIGURED, Ending.REJECTED])
def test_what_is_not_the_models_fault_says_nothing(ending: Ending) -> None:
    assert ending in str(logged(replace(DRAW, ending=ending), None, 0))


def test_a_request_without_a_call_says_nothing() -> None:
    assert logged(replace(DRAW, ending=None), None, 0) == "no model was called"
