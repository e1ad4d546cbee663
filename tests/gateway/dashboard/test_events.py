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


async def test_a_page_is_told_of_a_commit_and_of_the_fold_that_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.02)
    state = RouterState()
    live: Any = SimpleNamespace(definition=object(), state=state)
    quiet: Any = SimpleNamespace(
        stopping=False, problems=list, notes=list, state="ok", cooldowns=SimpleNamespace(states=dict)
    )
    stream = Events({"rtr_a": live, "rtr_b": live}, Keyring(), quiet, quiet, quiet).open(
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
