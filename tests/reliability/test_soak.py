"""A short soak, and its checks: growth of resources and complaints in the log are found."""

from dataclasses import replace
from pathlib import Path

from tests.reliability.soak.__main__ import main
from tests.reliability.soak.audit import read_log
from tests.reliability.soak.resources import FEWEST_SAMPLES, LARGE_ANSWERS_MB, Held, compare, creep

QUIET = Held(memory_mb=100.0, descriptors=20, threads=8, clients=0, upstream=5, half_closed=0, tasks=3, queued=0)


def test_a_few_seconds_of_mixed_faults_leave_nothing_behind(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = ["--minutes", "0.04", "--warm-up", "1", "--connections", "24", "--json", str(report)]
    assert main(arguments) == 0, report.read_text()


def test_what_has_grown_is_told() -> None:
    assert compare(QUIET, QUIET, 10) == []
    assert compare(QUIET, replace(QUIET, memory_mb=120.0, upstream=10), 10) == []
    for grown in (
        replace(QUIET, memory_mb=101.0 + LARGE_ANSWERS_MB),
        replace(QUIET, descriptors=21),
        replace(QUIET, threads=9),
        replace(QUIET, clients=1),
        replace(QUIET, tasks=4),
        replace(QUIET, upstream=11),
        replace(QUIET, half_closed=1),
        replace(QUIET, queued=1),
    ):
        assert len(compare(QUIET, grown, 10)) == 1, grown


def test_memory_that_goes_on_growing_is_told_and_one_large_moment_is_not() -> None:
    steady = [replace(QUIET, memory_mb=150.0 if at else 100.0) for at in range(2 * FEWEST_SAMPLES)]
    growing = [replace(QUIET, memory_mb=100.0 + 3.0 * at) for at in range(2 * FEWEST_SAMPLES)]
    assert creep(steady) == []
    assert creep([*steady[:-1], replace(QUIET, memory_mb=400.0)]) == []
    assert len(creep(growing)) == 1
    assert creep(growing[: FEWEST_SAMPLES - 1]) == []


def test_a_log_that_complains_is_told(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    log.write_text("INFO: ready\nWARNING: a model rests\n")
    assert read_log(log) == []
    log.write_text("INFO: ready\nTask was destroyed but it is pending!\nTraceback (most recent call last):\n")
    assert len(read_log(log)) == 2
