"""What holds for all tests: fixed seeds of properties, the product's event loop, and no leaks into other modules."""

import asyncio
import gc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment,unused-ignore]  # not on every platform

pytest_plugins = ["tests.support.databases"]

settings.register_profile("house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run asynchronous tests on the event loop that the product runs on."""
    return {"loop": uvloop.new_event_loop if uvloop else asyncio.new_event_loop}


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Collect garbage after each module, so that what a test left open fails that module and no other."""
    yield
    gc.collect()
