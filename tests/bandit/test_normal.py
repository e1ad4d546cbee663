"""Φ is scipy's, and brings nothing else of scipy into a process."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import special

from bandit import normal


def test_the_distribution_function_is_that_of_scipy_to_the_last_bit() -> None:
    z = np.concatenate([np.linspace(-40.0, 40.0, 10_001), [-np.inf, np.inf, 0.0, -1e300, 1e300]])
    assert (normal.ndtr(z) == special.ndtr(z)).all()


def test_it_is_loaded_without_the_rest_of_scipy() -> None:
    script = "import sys, bandit.normal; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not [name for name in ran.stdout.split() if name.partition(".")[0] == "scipy"]


def test_another_release_of_scipy_is_imported_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normal, "_COMPILED", "_of_another_release")
    assert normal._ndtr() is special.ndtr
