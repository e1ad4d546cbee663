"""A judge scores a sample of the answers: off the path, as any other source, and at a cost of its own."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bandit.draws import drawn_beside
from bandit.learning import half_life_of, learn_scores
from bandit.types import Epoch, HalfLives
from gateway.judging import queue
from gateway.judging.reply import Unscored
from storage.database.engine import open_database
from storage.maintenance.rebuild import Rebuild
from storage.records import DecisionView, Purpose
from storage.stores.ledger import Ledger
from tests.support.gateway import Running, run_gateway
from tests.support.judge_provider import Bench, bench
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

CONFIGURATION = """
database_url = "sqlite:///{directory}/ledger.db"
[providers.p]
base_url = "{url}/v1"
[models."p/answers"]
input_usd_per_million = 1.0
output_usd_per_million = 2.0
context_window = 100000
[models."p/judge"]
input_usd_per_million = 3.0
output_usd_per_million = 4.0
context_window = 100000
[models."p/judge-b"]
input_usd_per_million = 3.0
output_usd_per_million = 4.0
context_window = 100000
[routers.rtr_judged]
models = ["p/answers"]
judge = {{ model = "p/judge", share = 1.0, rubric = "Short is good.", max_usd_per_day = 5.0 }}
[routers.rtr_sampled]
models = ["p/answers"]
[routers.rtr_sampled.judge]
model = "p/judge"
share = 0.3
[routers.rtr_own]
models = ["p/judge"]
judge = {{ model = "p/judge", share = 1.0 }}
[routers.rtr_other]
models = ["p/judge"]
judge = {{ model = ["p/judge", "p/judge-b"], share = 1.0 }}
[routers.rtr_poor]
models = ["p/answers"]
judge = {{ model = "p/judge", share = 1.0, max_usd_per_day = 0.000001 }}
[routers.rtr_hasty]
models = ["p/answers"]
judge = {{ model = "p/judge", share = 1.0, timeout_seconds = 0.2 }}
[routers.rtr_none]
models = ["p/answers"]
"""


@dataclass(frozen=True)
class Judged:
    """A gateway and its judges."""

    running: Running
    bench: Bench

    def ask(self, router_id: str, say: str = "Hi", **more: object) -> str:
        """The request's id."""
        body = {"model": "dari/routing", "messages": [{"role": "user", "content": say}], **more}
        with self.running.http() as http:
            response = http.post(f"/{router_id}/chat/completions", json=body)
        assert response.status_code == 200
        return str(response.headers["x-request-id"])

    def view(self, request_id: str) -> DecisionView:
        view = Ledger(self.running.gateway.database).decision(request_id)
        assert view is not None
        return view

    def judged(self, request_id: str) -> DecisionView:
        """The request, as soon as it has a score."""
        wait_until(lambda: self.view(request_id).feedback != (), "the answer is judged")
        return self.view(request_id)

    def counted(self, router_id: str) -> dict[str, float]:
        """Answers of a router that were drawn to be judged, by what came of it."""
        exposed = httpx.get(f"{self.running.url}/metrics", timeout=30.0, trust_env=False).text
        return {
            sample.labels["result"]: sample.value
            for family in text_string_to_metric_families(exposed)
            for sample in family.samples
            if sample.name == "bandit_gateway_judgements_total" and sample.labels["router"] == router_id
        }

    def counts(self, router_id: str, result: str, number: float) -> None:
        wait_until(lambda: self.counted(router_id).get(result, 0.0) == number, f"{number} are {result}")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    directory, state = tmp_path_factory.mktemp("judging"), Bench()
    with (
        serve_app(bench(state)) as url,
        run_gateway(CONFIGURATION.format(directory=directory, url=url), directory) as running,
    ):
        yield Judged(running, state)


@pytest.fixture
def judged(shared: Judged) -> Judged:
    shared.bench.__init__()  # type: ignore[misc]  # as new
    shared.running.forget_cooldowns()
    return shared


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_was_sent_is_scored_with_its_ground(judged: Judged, stream: bool) -> None:
    request_id = judged.ask("rtr_judged", "How?", stream=stream)
    (given,) = judged.judged(request_id).feedback
    assert (given.source, given.score, given.comment) == ("judge", 0.25, "too short")
    assert given.metadata == {"judge": "p/judge"}
    assert judged.bench.graded() == [{"request": [{"role": "user", "content": "How?"}], "answer": "I am answers"}]
    assert "Short is good." in judged.bench.asked[0]["messages"][0]["content"]
    assert Ledger(judged.running.gateway.database).content(request_id) is None, "nothing of it is stored"


def test_a_judges_cost_is_counted_apart_and_no_part_of_its_routers(judged: Judged) -> None:
    ledger, today = Ledger(judged.running.gateway.database), Epoch(time.time())
    before = sum(each.cost_usd for each in ledger.judging("rtr_judged", today))
    spent = sum(each.cost_usd for each in ledger.traffic("rtr_judged", today).values())
    view = judged.judged(judged.ask("rtr_judged"))
    assert view.outcome.cost_usd == pytest.approx((10 * 1.0 + 5 * 2.0) / 1e6)
    (counts,) = ledger.judging("rtr_judged", today)
    assert (counts.purpose, counts.model_id) == (Purpose.JUDGE, "p/judge")
    assert counts.cost_usd - before == pytest.approx((10 * 3.0 + 5 * 4.0) / 1e6)
    traffic = ledger.traffic("rtr_judged", today)
    assert traffic.keys() == {"p/answers"}
    assert traffic["p/answers"].cost_usd - spent == pytest.approx(view.outcome.cost_usd)
    lives = HalfLives()
    rebuild = Rebuild(
        judged.running.gateway.database,
        lambda before, after: learn_scores(before, after, lives.quality),
        lambda _, signal: half_life_of(lives, signal),
    )
    assert rebuild.check("rtr_judged") == []


def test_the_stats_tell_what_judges_did_and_cost_and_how_they_agree_with_users(judged: Judged) -> None:
    alone = judged.judged(judged.ask("rtr_judged"))
    assert alone.feedback[0].score == 0.25
    with judged.running.http() as http:  # users like the answers of a model that the judge does not
        for _ in range(31):
            scored = {"completion_id": judged.ask("rtr_judged", max_tokens=1), "score": 0.75}
            http.post("/feedback", json=scored).raise_for_status()
    with judged.running.http("admin") as http:

        def stated() -> Any:
            return http.get("/admin/routers/rtr_judged/stats").json()["judge"]

        wait_until(lambda: stated()["agreement"]["compared"] > 30.5, "the stats tell of all scores")
        judge = stated()
        agreement = judge.pop("agreement")
        assert http.get("/admin/routers/rtr_none/stats").json()["judge"] is None
    assert agreement["compared"] == pytest.approx(31.0, abs=0.1)
    assert -0.5 < agreement["offset"] < 0.0, "it scores lower than users"
    assert 0.0 < agreement["kept"] <= 1.0
    (counts,) = Ledger(judged.running.gateway.database).judging("rtr_judged", Epoch(time.time()))
    spent = pytest.approx(counts.cost_usd)
    assert judge == {
        "models": ["p/judge"],
        "share": 1.0,
        "calls": counts.calls,
        "scored": counts.scored,
        "cost_usd": spent,
        "today": {"spent_usd": spent, "limit_usd": 5.0},
    }


def test_who_is_judged_is_drawn_by_the_request_id_and_its_probability_recorded(judged: Judged) -> None:
    ids = [judged.ask("rtr_sampled") for _ in range(30)]
    secret = judged.running.gateway.routers["rtr_sampled"].secret
    drawn = {each for each in ids if drawn_beside(secret, "judge", each) < 0.3}
    assert 0 < len(drawn) < 30
    wait_until(lambda: len(judged.bench.asked) == len(drawn), "those are judged")
    assert {each for each in drawn if judged.judged(each)} == drawn
    assert {each for each in ids if judged.view(each).feedback} == drawn
    assert {judged.view(each).decision.judge_probability for each in ids} == {0.3}
    assert judged.view(judged.ask("rtr_none")).decision.judge_probability is None


def test_a_model_judges_its_own_answer_only_if_there_is_no_other_and_that_is_said(judged: Judged) -> None:
    (own,) = judged.judged(judged.ask("rtr_own")).feedback
    assert own.metadata == {"judge": "p/judge", "own_answer": True}
    (other,) = judged.judged(judged.ask("rtr_other")).feedback
    assert other.metadata == {"judge": "p/judge-b"}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("It is quite good.", Unscored.PROSE),
        ('{"score": 7, "ground": "great"}', Unscored.BAD_SCORE),
        ('{"score": 1}', Unscored.MALFORMED),
        ("", Unscored.FAILED),
    ],
)
def test_a_reply_that_is_no_score_is_counted_with_its_reason(judged: Judged, reply: str, reason: Unscored) -> None:
    judged.bench.reply = reply
    before = judged.counted("rtr_judged").get(reason, 0.0)
    request_id = judged.ask("rtr_judged")
    judged.counts("rtr_judged", reason, before + 1.0)
    assert judged.view(request_id).feedback == ()


def test_a_judge_over_its_budget_is_not_asked(judged: Judged) -> None:
    judged.ask("rtr_poor")
    judged.counts("rtr_poor", Unscored.OVER_BUDGET, 1.0)
    assert judged.bench.asked == []


def test_what_a_judge_cannot_grade_is_not_sent_to_one(judged: Judged) -> None:
    judged.ask("rtr_judged", "x" * queue.LARGEST_BYTES)
    judged.counts("rtr_judged", Unscored.TOO_LONG, 1.0)
    before = judged.counted("rtr_judged").get(Unscored.UNSUITABLE, 0.0)
    judged.ask("rtr_judged", max_tokens=1)
    judged.counts("rtr_judged", Unscored.UNSUITABLE, before + 1.0)
    assert judged.bench.asked == []


def test_answers_that_find_no_room_behind_a_hanging_judge_are_dropped_and_counted(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MOST_WAITING", 2)
    monkeypatch.setattr(queue, "MOST_AT_ONCE", 1)
    judged.bench.hangs = True
    first = judged.ask("rtr_judged")
    wait_until(lambda: len(judged.bench.asked) == 1, "a judge is asked")
    others = [judged.ask("rtr_judged") for _ in range(4)]
    judged.counts("rtr_judged", Unscored.DROPPED, 2.0)
    judged.bench.hangs = False
    assert [bool(judged.judged(each).feedback) for each in (first, *others[:2])] == [True] * 3
    assert [judged.view(each).feedback for each in others[2:]] == [(), ()]


def test_a_judge_that_hangs_is_given_up_and_its_call_booked(judged: Judged) -> None:
    judged.bench.hangs = True
    judged.ask("rtr_hasty")
    judged.counts("rtr_hasty", Unscored.TIMEOUT, 1.0)
    assert judged.bench.left.wait(30)

    def booked() -> bool:
        counts = Ledger(judged.running.gateway.database).judging("rtr_hasty", Epoch(time.time()))
        return [(each.calls, each.scored, each.cost_usd > 0.0) for each in counts] == [(1, 0, True)]

    wait_until(booked, "the call is booked, by an estimate")


def test_a_judgement_that_runs_when_the_gateway_stops_is_broken_off_and_booked(tmp_path: Path) -> None:
    state = Bench()
    state.hangs = True
    with serve_app(bench(state)) as url:
        with run_gateway(CONFIGURATION.format(directory=tmp_path, url=url), tmp_path) as running:
            Judged(running, state).ask("rtr_judged")
            wait_until(lambda: len(state.asked) == 1, "a judge is asked")
        assert state.left.wait(30)
    database = open_database(f"sqlite:///{tmp_path}/ledger.db")
    (counts,) = Ledger(database).judging("rtr_judged", Epoch(time.time()))
    database.close()
    assert (counts.calls, counts.scored, counts.cost_usd > 0.0) == (1, 0, True)
