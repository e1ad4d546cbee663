"""What holds for all tests: properties draw their examples from a fixed seed, and a loaded machine fails none."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Collect garbage after each module: what its tests left open fails them, and none of another module."""
    yield
    gc.collect()
