"""Two hundred tasks that callers state are 64 classes and "other", in the choice, the record and what is learned."""

import time
from typing import Any

import pytest

from bandit.statistics import ANY_TASK
from bandit.types import Epoch, LoopTime
from gateway.choice_records import read_choice
from gateway.reports.explanation import explain
from gateway.routing.task_names import OTHER
from gateway.tasks.classifier import TASK_NAMES
from storage.records import RouterModel, RouterRecord
from storage.stores.arms import Arms
from storage.stores.ledger import Ledger
from storage.stores.routers import Routers
from storage.stores.tasks import LARGEST_COUNT, Tasks
from tests.support.gateway import Running
from tests.support.waiting import wait_until

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
ROUTER = "rtr_many_tasks"


@pytest.fixture
def asked(running: Running, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of answers, one for each of 200 tasks."""
    # On a busy machine an admission may take longer than requests wait for it: they go on as "other" then.
    monkeypatch.setattr("gateway.routing.task_names.WAIT_SECONDS", 60.0)
    now = time.time()
    models = (RouterModel("p/good-a"), RouterModel("p/good-b"))
    Routers(running.gateway.database).put(RouterRecord(ROUTER, ROUTER, b"s" * 32, {}, models, now, now))
    wait_until(lambda: ROUTER in running.gateway.routers, "the router is served")
    client = running.client(ROUTER)
    return [
        client.chat.completions.create(
            model="dari/routing", messages=MESSAGES, metadata={"task": f"task {number}"}
        ).id.removeprefix("chatcmpl-")
        for number in range(200)
    ]


def test_two_hundred_stated_tasks_are_64_classes_and_other(running: Running, asked: list[str]) -> None:
    database = running.gateway.database
    ledger = Ledger(database)
    tasks = []
    for completion_id in asked:
        view = ledger.decision(completion_id)
        assert view is not None
        assert read_choice(view.decision.choice).context.task == view.decision.task
        assert explain(view, b"s" * 32).replay.identical
        tasks.append(view.decision.task)
    assert tasks == [f"task {number}" for number in range(LARGEST_COUNT)] + [OTHER] * (200 - LARGEST_COUNT)
    assert len(Tasks(database).of([ROUTER])[ROUTER]) == LARGEST_COUNT
    assert {key.task for key in Arms(database).sums(ROUTER)} == {ANY_TASK, *tasks}
    columns = (
        running.gateway.routers[ROUTER]
        .renewed(Epoch(time.time()), LoopTime(time.monotonic()))
        .snapshot.table.task_columns
    )
    assert columns.keys() - {ANY_TASK, OTHER, *TASK_NAMES} <= {f"task {number}" for number in range(LARGEST_COUNT)}
    answer = running.client(ROUTER).chat.completions.create(
        model="dari/routing", messages=MESSAGES, metadata={"task": "one more"}
    )
    reason: str = answer.dari_routing["reason"]  # type: ignore[attr-defined]
    assert reason.startswith("Short request of a task without a class of its own: ")
