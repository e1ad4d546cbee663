"""A short form of `python -m tests.reliability.front_door`: newcomers are answered while the front door is attacked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.front_door.__main__ import DESCRIPTORS, launched
from tests.reliability.front_door.attacks import ATTACKS, IDLE_CONNECTIONS, under_attack
from tests.support.gateway import GatewayProcess
from tests.support.waiting import wait_until

SECONDS = 1.0


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with launched(tmp_path_factory.mktemp("front-door")) as gateway:
        yield gateway


@pytest.mark.parametrize("attack", ["endless line", "idle connections", "many values"])
def test_a_newcomer_is_answered_during_an_attack(attack: str, gateway: GatewayProcess) -> None:
    assert attack in ATTACKS
    assert IDLE_CONNECTIONS > DESCRIPTORS
    with under_attack(attack, gateway.port, gateway.key, SECONDS, answers=attack == "many values") as told:
        assert [gateway.readiness()[0] for _ in range(20)] == [200] * 20
        answers = told.get(timeout=60)
    if attack == "many values":
        assert set(answers) == {"400"}
    wait_until(lambda: gateway.readiness()[0] == 200, "it answers afterwards")


def test_what_it_refused_is_in_the_log_but_not_for_each_connection(tmp_path: Path, gateway: GatewayProcess) -> None:
    with under_attack("idle connections", gateway.port, gateway.key, SECONDS) as told:
        told.get(timeout=60)
    lines = [line for line in gateway.output.splitlines() if "connections: " in line]
    assert 1 <= len(lines) <= 10
