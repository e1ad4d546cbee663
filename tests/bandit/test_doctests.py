"""The examples in the docstrings of `bandit` are true."""

import doctest
import importlib
import pkgutil

import pytest

import bandit

MODULES = sorted(module.name for module in pkgutil.walk_packages(bandit.__path__, "bandit."))
WITH_EXAMPLES = {
    f"bandit.{name}" for name in ("budget", "exploration", "matching", "preference", "shares", "statistics", "utility")
}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert not result.failed
    assert result.attempted or name not in WITH_EXAMPLES, "its example is not collected any more"
