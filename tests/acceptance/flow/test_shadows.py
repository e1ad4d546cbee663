"""A second model is asked the same beside users, and the judge compares both answers: evidence, and nothing else."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bandit.draws import drawn_beside
from bandit.learning import half_life_of, learn_scores
from bandit.statistics import Signal, StatisticKey
from bandit.types import Epoch, HalfLives
from gateway.choice_records import read_choice
from gateway.judging.reply import Unscored
from gateway.providers.upstream.provider import ProviderError, Verdict
from storage.database.engine import open_database
from storage.maintenance.rebuild import Rebuild
from storage.records import DecisionView, Purpose, Shadow
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from tests.acceptance.flow.test_judging import Judged
from tests.support.gateway import run_gateway
from tests.support.judge_provider import Bench, bench
from tests.support.threads import serve_app
from tests.support.waiting import wait_until

MODELS = ("one", "two", "judge")
CONFIGURATION = (
    """
database_url = "sqlite:///{directory}/ledger.db"
[providers.p]
base_url = "{url}/v1"
"""
    + "".join(
        f'[models."p/{name}"]\ninput_usd_per_million = 1.0\noutput_usd_per_million = 2.0\ncontext_window = 100000\n'
        'abilities = ["tools", "vision", "json_schema"]\n'
        for name in MODELS
    )
    + """
[routers.rtr_shadow]
models = ["p/one", "p/two"]
judge = {{ model = "p/judge", share = 0 }}
shadow = {{ share = 1.0 }}
[routers.rtr_sampled]
models = ["p/one", "p/two"]
judge = {{ model = "p/judge", share = 0 }}
shadow = {{ share = 0.3 }}
[routers.rtr_tools]
models = ["p/one", "p/two"]
judge = {{ model = "p/judge", share = 0 }}
shadow = {{ share = 1.0, tools = true }}
[routers.rtr_alone]
models = ["p/one"]
judge = {{ model = "p/judge", share = 0 }}
shadow = {{ share = 1.0 }}
[routers.rtr_poor]
models = ["p/one", "p/two"]
judge = {{ model = "p/judge", share = 0 }}
shadow = {{ share = 1.0, max_usd_per_day = 0.000001 }}
[models."p/judge-blind"]
abilities = ["json_schema"]
[routers.rtr_blind]
models = ["p/one", "p/two"]
judge = {{ model = "p/judge-blind", share = 0 }}
shadow = {{ share = 1.0 }}
[routers.rtr_hasty]
models = ["p/one", "p/two"]
request_timeout_seconds = 0.5
judge = {{ model = "p/judge", share = 0, timeout_seconds = 0.2 }}
shadow = {{ share = 1.0 }}
"""
)
LIKED = {"I am one": 0.25, "I am two": 0.75}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
COST = (10 * 1.0 + 5 * 2.0) / 1e6
"""Of each call."""


class Shadowed(Judged):
    """A gateway, its models and its judge."""

    def compared(self, request_id: str) -> DecisionView:
        """The request, as soon as its answer is compared."""
        wait_until(lambda: self.view(request_id).shadow is not None, "the answer is compared")
        return self.view(request_id)

    def spent(self, router_id: str) -> list[tuple[str, str, int, int, float]]:
        """What was called beside a router's requests."""
        counts = Ledger(self.running.gateway.database).judging(router_id, Epoch(time.time()))
        return [(each.purpose.value, each.model_id, each.calls, each.scored, each.cost_usd) for each in counts]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shadowed]:
    directory, state = tmp_path_factory.mktemp("shadows"), Bench()
    with (
        serve_app(bench(state)) as url,
        run_gateway(CONFIGURATION.format(directory=directory, url=url), directory) as running,
    ):
        yield Shadowed(running, state)


@pytest.fixture
def shadowed(shared: Shadowed) -> Shadowed:
    shared.bench.__init__()  # type: ignore[misc]  # as new
    shared.bench.liked = LIKED
    shared.running.forget_cooldowns()
    return shared


@pytest.mark.parametrize("stream", [False, True])
def test_both_models_are_scored_by_a_judge_that_sees_both_answers_unnamed_in_both_orders(
    shadowed: Shadowed, stream: bool
) -> None:
    database = shadowed.running.gateway.database
    before = Arms(database).sums("rtr_shadow")
    view = shadowed.compared(shadowed.ask("rtr_shadow", "How?", stream=stream, store=True, temperature=0.5))
    answering = view.outcome.model_id
    assert answering is not None
    second = "p/two" if answering == "p/one" else "p/one"
    own, its = (LIKED[f"I am {model_id[2:]}"] for model_id in (answering, second))
    # Whoever is shown first gets .125 more: it cancels out.
    assert view.shadow == Shadow(second, its + 0.0625)
    (given,) = view.feedback
    assert (given.source, given.score, given.comment) == ("judge", own + 0.0625, "by taste")
    assert given.metadata == {"judge": "p/judge", "compared_with": second}
    shown = shadowed.bench.graded()
    answers = [f"I am {model_id[2:]}" for model_id in (answering, second)]
    assert [[each["first"], each["second"]] for each in shown] == [answers, answers[::-1]]
    assert all(each["request"] == [{"role": "user", "content": "How?"}] and len(each) == 3 for each in shown)
    to_user, to_nobody = shadowed.bench.heard
    assert (to_user["model"], to_nobody["model"]) == (answering[2:], second[2:])
    assert to_nobody.keys() == {"model", "messages", "temperature", "max_tokens"}

    learned = Arms(database).sums("rtr_shadow")
    key = StatisticKey("rtr_shadow", second, view.decision.task, Signal.QUALITY)
    weight = before[key].faded_to(learned[key].at).weight if key in before else 0.0
    assert learned[key].weight - weight == pytest.approx(1.0)
    about_second = {each for each in learned if each.model_id == second and learned[each] != before.get(each)}
    assert {each.signal for each in about_second} == {Signal.QUALITY, Signal.JUDGED_QUALITY}, "no cost, wait or success"


def test_nothing_of_it_is_traffic_spend_or_state_of_the_router_and_the_ledger_adds_up(shadowed: Shadowed) -> None:
    ledger, now = Ledger(shadowed.running.gateway.database), Epoch(time.time())
    before = sum(each[4] for each in shadowed.spent("rtr_shadow"))
    billed = sum(each.cost_usd for each in ledger.traffic("rtr_shadow", now).values())
    for _ in range(3):
        view = shadowed.compared(shadowed.ask("rtr_shadow"))
        assert view.outcome.cost_usd == pytest.approx(COST)

    def spent_usd() -> float:
        return sum(each.cost_usd for each in ledger.traffic("rtr_shadow", now).values()) - billed

    wait_until(lambda: spent_usd() == pytest.approx(3 * COST), "the spend of three answers is counted")
    calls = shadowed.spent("rtr_shadow")
    assert {each[0] for each in calls} == {Purpose.SHADOW}
    assert sum(each[4] for each in calls) - before == pytest.approx(9 * COST), "an answer and two comparisons each"
    (by_judge,) = [each for each in calls if each[1] == "p/judge"]
    assert by_judge[2:4] == (2 * sum(each[2] for each in calls) // 3,) * 2, "second models give no score"
    live = shadowed.running.gateway.routers["rtr_shadow"]
    wait_until(lambda: live.spend.today_usd(now) == pytest.approx(billed + 3 * COST), "the router's own spend follows")
    with shadowed.running.http("admin") as http:
        stats = http.get("/admin/routers/rtr_shadow/stats").json()
        decision = http.get(f"/admin/decisions/{view.decision.completion_id}").json()
    assert stats["judge"]["calls"] == 0
    assert stats["shadow"] == {
        "share": 1.0,
        "tools": False,
        "calls": sum(each[2] for each in calls),
        "scored": sum(each[3] for each in calls),
        "cost_usd": pytest.approx(before + 9 * COST),
        "today": {"spent_usd": pytest.approx(before + 9 * COST), "limit_usd": 1.0},
    }
    assert view.shadow is not None
    assert decision["shadow"] == {"model": view.shadow.model_id, "score": view.shadow.score}
    lives = HalfLives()
    rebuild = Rebuild(
        shadowed.running.gateway.database,
        lambda old, new: learn_scores(old, new, lives.quality),
        lambda _, signal: half_life_of(lives, signal),
    )
    assert rebuild.check("rtr_shadow") == []


def test_which_requests_are_compared_is_drawn_by_their_id_and_its_probability_recorded(shadowed: Shadowed) -> None:
    ids = [shadowed.ask("rtr_sampled") for _ in range(20)]
    secret = shadowed.running.gateway.routers["rtr_sampled"].secret
    drawn = {each for each in ids if drawn_beside(secret, "shadow", each) < 0.3}
    assert {each for each in drawn if shadowed.compared(each)} == drawn
    assert {each for each in ids if shadowed.view(each).shadow} == drawn
    assert {shadowed.view(each).decision.shadow_probability for each in ids} == {0.3}


@pytest.mark.parametrize(
    ("router_id", "more", "reason"),
    [
        ("rtr_shadow", {"tools": [TOOL]}, Unscored.TOOLS),
        ("rtr_shadow", {"functions": [{"name": "look"}]}, Unscored.TOOLS),
        ("rtr_shadow", {"max_tokens": 1}, Unscored.UNSUITABLE),
        ("rtr_blind", {"messages": [{"role": "user", "content": [IMAGE]}]}, Unscored.UNSUITABLE),
        ("rtr_shadow", {"say": "x" * 140_000}, Unscored.TOO_LONG),
        ("rtr_shadow", {"routing": {"instructions": "Never use p/two."}}, Unscored.NO_SECOND),
        ("rtr_alone", {}, Unscored.NO_SECOND),
        ("rtr_poor", {}, Unscored.OVER_BUDGET),
    ],
)
def test_what_may_not_or_cannot_be_compared_is_counted_and_nobody_is_asked(
    shadowed: Shadowed, router_id: str, more: dict[str, Any], reason: Unscored
) -> None:
    before = shadowed.counted(router_id).get(reason, 0.0)
    request_id = shadowed.ask(router_id, **more)
    shadowed.counts(router_id, reason, before + 1.0)
    assert (len(shadowed.bench.heard), shadowed.bench.asked) == (1, [])
    assert (shadowed.view(request_id).shadow, shadowed.view(request_id).feedback) == (None, ())


def test_requests_with_tools_are_compared_if_that_is_allowed(shadowed: Shadowed) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    shadowed.compared(shadowed.ask("rtr_tools", tools=[TOOL], response_format=schema))
    to_nobody = shadowed.bench.heard[1]
    assert (to_nobody["tools"], to_nobody["response_format"]) == ([TOOL], schema)


@pytest.mark.parametrize(
    ("comparison", "reason"),
    [
        ("The first.", Unscored.PROSE),
        ('{"first": 1, "second": 7, "ground": "great"}', Unscored.BAD_SCORE),
        ('{"score": 1, "ground": "great"}', Unscored.MALFORMED),
        ("", Unscored.FAILED),
    ],
)
def test_a_reply_that_compares_nothing_scores_neither(shadowed: Shadowed, comparison: str, reason: Unscored) -> None:
    shadowed.bench.comparison = comparison
    before = shadowed.counted("rtr_shadow").get(reason, 0.0)
    request_id = shadowed.ask("rtr_shadow")
    shadowed.counts("rtr_shadow", reason, before + 1.0)
    assert (shadowed.view(request_id).shadow, shadowed.view(request_id).feedback) == (None, ())
    assert len(shadowed.bench.asked) == 1, "the other order is not paid"


def test_answers_to_images_are_compared_by_a_judge_that_sees_them(shadowed: Shadowed) -> None:
    shadowed.compared(shadowed.ask("rtr_shadow", messages=[{"role": "user", "content": [IMAGE]}]))
    assert [body["messages"][-1]["content"][-1] for body in (*shadowed.bench.asked, *shadowed.bench.heard)] == [
        IMAGE
    ] * 4


def test_a_tie_is_a_score_like_any_other(shadowed: Shadowed) -> None:
    shadowed.bench.liked = {}
    view = shadowed.compared(shadowed.ask("rtr_shadow"))
    assert view.shadow is not None
    assert view.shadow.score == view.feedback[0].score == 0.25 + 0.0625


@pytest.mark.parametrize("plain", ["fails", "hangs"])
def test_a_second_model_that_fails_or_hangs_is_no_failure_of_the_router(shadowed: Shadowed, plain: str) -> None:
    before, asked = shadowed.counted("rtr_hasty"), 8
    shadowed.bench.plain = plain  # the users' requests are streams
    views = [shadowed.view(shadowed.ask("rtr_hasty", stream=True)) for _ in range(asked)]

    def given_up() -> bool:
        counted = shadowed.counted("rtr_hasty")
        reasons = (Unscored.NO_SECOND_ANSWER, Unscored.NO_SECOND)  # the latter once both pause as second models
        return sum(counted.get(each, 0.0) - before.get(each, 0.0) for each in reasons) == asked

    wait_until(given_up, "all are given up")
    assert {(view.outcome.status, view.outcome.attempts) for view in views} == {("answered", 1)}
    assert all(not read_choice(view.decision.choice).left_out for view in views), "no model is let cool down"
    success = StatisticKey("rtr_hasty", "p/one", "", Signal.SUCCESS)
    sums = Arms(shadowed.running.gateway.database).sums("rtr_hasty").get(success)
    assert sums is None or sums.weight == pytest.approx(sums.total), "no failure is learned"
    booked = sum(each[4] for each in shadowed.spent("rtr_hasty"))
    assert (booked > 0.0) == (plain == "hangs"), "a call that was given up is booked as estimated"


def test_a_comparison_that_runs_when_the_gateway_stops_is_broken_off_and_booked(tmp_path: Path) -> None:
    state = Bench()
    state.hangs = True
    with serve_app(bench(state)) as url:
        with run_gateway(CONFIGURATION.format(directory=tmp_path, url=url), tmp_path) as running:
            request_id = Shadowed(running, state).ask("rtr_shadow")
            wait_until(lambda: len(state.asked) == 1, "a judge is asked")
        assert state.left.wait(30)
    database = open_database(f"sqlite:///{tmp_path}/ledger.db")
    counts = Ledger(database).judging("rtr_shadow", Epoch(time.time()))
    view = Ledger(database).decision(request_id)
    database.close()
    assert [(each.calls, each.scored, each.cost_usd > 0.0) for each in counts] == [(1, 0, True)] * 2
    assert view is not None
    assert (view.shadow, view.feedback) == (None, ())


def test_health_tells_why_nothing_is_judged_or_compared(shadowed: Shadowed) -> None:
    def notes() -> list[str]:
        with shadowed.running.http() as http:
            told = http.get("/readyz").json()["notes"]
        return [each for each in told if "judged" in each or "compares" in each]

    idle = "router rtr_alone compares no answers: shadow needs a second enabled model"
    assert notes() == [idle]
    refused = ProviderError(Verdict.PARKED, "Incorrect API key provided")
    shadowed.running.gateway.model_states.judges.failed("p/judge", refused, time.monotonic(), b"")
    told = notes()
    assert "router rtr_shadow is not judged: p/judge is parked: Incorrect API key provided" in told
    assert len(told) == 1 + 6
    shadowed.running.gateway.model_states.resume("p/judge")
    assert notes() == [idle]


def test_a_judge_can_not_be_taken_from_a_router_with_shadow_comparisons(shadowed: Shadowed) -> None:
    with shadowed.running.http("admin") as http:
        created = http.post(
            "/admin/routers", json={"id": "rtr_made", "models": ["p/one", "p/two"], "shadow": {"share": 0.5}}
        )
        assert (created.status_code, "judge" in json.dumps(created.json()["error"]["problems"])) == (400, True)
        judge = {"model": "p/judge"}
        http.post(
            "/admin/routers", json={"id": "rtr_made", "models": ["p/one", "p/two"], "judge": judge}
        ).raise_for_status()
        shadow = http.patch("/admin/routers/rtr_made", json={"shadow": {"share": 0.5}})
        assert shadow.json()["settings"]["shadow"] == {"share": 0.5, "max_usd_per_day": 1.0, "tools": False}
        refused = http.patch("/admin/routers/rtr_made", json={"judge": None})
        assert (refused.status_code, refused.json()["error"]["problems"][0]["param"]) == (400, "judge")
        both = http.patch("/admin/routers/rtr_made", json={"judge": None, "shadow": None})
        assert both.status_code == 200
