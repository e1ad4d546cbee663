"""A live page is told of what was learned, and again when the tables that it shows have it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bandit.types import BudgetState
from gateway.api_keys import Keyring
from gateway.dashboard import events
from gateway.dashboard.events import Events
from gateway.routing.router import RouterState


def quiet_gateway() -> Any:
    return SimpleNamespace(
        stopping=False,
        problems=list,
        notes=list,
        state="ok",
        cooldowns=SimpleNamespace(states=dict),
        replica_count=lambda: 1,
        beats=1,
    )


async def test_a_page_is_told_of_other_processes_and_that_its_session_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.02)
    quiet, sessions = quiet_gateway(), [True]
    stream = Events({}, Keyring(), quiet, quiet, quiet, quiet).open(lambda: bool(sessions), lambda _: True)
    async with asyncio.timeout(10.0):
        assert await anext(stream) == events.PING
        quiet.beats = 2
        assert b'["heartbeats"]' in await anext(stream)
        quiet.replica_count = lambda: 2
        assert b'["health"]' in await anext(stream)
        sessions.clear()
        assert [event async for event in stream] == [events.SIGNED_OUT]


async def test_a_page_is_told_of_a_commit_and_of_the_fold_that_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.02)
    state = RouterState()
    live: Any = SimpleNamespace(definition=object(), state=state)
    quiet = quiet_gateway()
    stream = Events({"rtr_a": live, "rtr_b": live}, Keyring(), quiet, quiet, quiet, quiet).open(
        lambda: True, lambda router_id: router_id == "rtr_a"
    )
    async with asyncio.timeout(10.0):
        state.add({}, BudgetState())  # after the stream was asked for, before it is read
        await asyncio.sleep(events.LOOK_SECONDS)
        assert await anext(stream) == events.PING
        assert b'["router:rtr_a"]' in await anext(stream)
        state.add({}, BudgetState())
        assert b'["router:rtr_a"]' in await anext(stream)
        state.settled = state.revision
        assert b'["router:rtr_a"]' in await anext(stream)
