"""The metric families follow Prometheus' conventions, and docs/metrics.md lists them as they are."""

import re
from pathlib import Path

import pytest

from gateway.telemetry.families import FAMILIES, Family, Kind

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text("utf-8")


def exposed_name(family: Family) -> str:
    return family.name + ("_total" if family.kind is Kind.COUNTER else "")


def test_the_page_lists_every_metric_as_it_is() -> None:
    listed = {
        (name, kind, tuple(re.findall(r"`(\w+)`", labels)), what)
        for name, kind, labels, what in re.findall(
            r"^\| `(\w+)` \| ([^|]+) \|([^|]*)\| ([^|]+) \|$", PAGE, re.MULTILINE
        )
    }
    of_families = {(exposed_name(family), family.kind.value, family.labels, family.help) for family in FAMILIES}
    assert of_families - listed == set()
    assert {name for name, *_ in listed - of_families} == {"bandit_gateway_build_info", "process_start_time_seconds"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_name_says_its_unit_and_nothing_of_its_type(family: Family) -> None:
    assert re.fullmatch(r"(bandit_gateway|process|python_gc)(_[a-z]+)+", family.name)
    assert not re.search(r"_(total|count|sum|bucket|milliseconds|ms|counter|gauge|histogram)$", family.name)
    assert not {"le", "instance", "job"} & set(family.labels)
    assert family.buckets == tuple(sorted(set(family.buckets)))
    assert bool(family.buckets) == (family.kind is Kind.HISTOGRAM)
