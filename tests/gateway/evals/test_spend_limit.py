"""Money is reserved before it is spent, and no call begins that might not fit."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evals.spend_limit import LimitReached, SpendLimit

COSTS = st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)), max_size=30)


@given(COSTS, st.floats(0.0, 5.0))
def test_no_more_is_spent_than_the_limit_if_no_call_costs_more_than_its_reservation(
    calls: list[tuple[float, float]], limit_usd: float
) -> None:
    limit = SpendLimit(limit_usd)

    async def call(reserved: float, part: float) -> bool:
        try:
            async with limit.reserve(reserved) as reservation:
                await asyncio.sleep(0)
                reservation.spent_usd = reserved * part
        except LimitReached:
            return False
        return True

    async def all_calls() -> list[bool]:
        return await asyncio.gather(*(call(*each) for each in calls))

    begun = asyncio.run(all_calls())
    assert limit.spent_usd <= limit_usd * (1.0 + 1e-6)
    assert limit.reached == (False in begun)


async def test_a_call_waits_for_running_ones_that_hold_more_than_they_spend() -> None:
    limit = SpendLimit(1.0)
    release = asyncio.Event()

    async def first() -> None:
        async with limit.reserve(0.9) as reservation:
            await release.wait()
            reservation.spent_usd = 0.1

    async def second() -> None:
        async with limit.reserve(0.9):
            pass

    running = [asyncio.create_task(first()), asyncio.create_task(second())]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*running)
    assert (limit.spent_usd, limit.reached) == (0.1, False)


async def test_after_the_first_call_that_does_not_fit_none_does() -> None:
    limit = SpendLimit(1.0, spent_usd=0.5)
    for usd in (0.6, 0.0):
        with pytest.raises(LimitReached):
            async with limit.reserve(usd):
                pass
