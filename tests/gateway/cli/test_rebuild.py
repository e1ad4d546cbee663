"""`rebuild` finds and mends statistics that are not the sum of the ledger."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bandit.learning import half_life_of, learn_scores
from bandit.statistics import Signal, StatisticKey
from bandit.types import HalfLives, Scores
from gateway.cli.commands import app
from storage.database.engine import open_database
from storage.records import RouterModel, RouterRecord
from storage.stores.arms import Arms
from storage.stores.routers import Routers


def test_scores_fade_with_the_half_life_that_a_rebuild_takes_for_them() -> None:
    half_lives = HalfLives(success=1.0, latency=2.0, quality=3.0, tokens=4.0)
    before, after = Scores("r", "m", "t", 1.0), Scores("r", "m", "t", 1.0, {"user": 1.0})
    for key, sums in learn_scores(before, after, half_lives.quality).items():
        assert half_life_of(half_lives, key.signal) == sums.half_life
    assert {half_life_of(half_lives, signal) for signal in Signal} >= {1.0, 2.0, 3.0, 4.0, float("inf")}


def test_a_statistic_that_the_ledger_does_not_know_is_found_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = "sqlite:///bandit-gateway.db"
    database = open_database(url)
    Routers(database).put(RouterRecord("rtr_a", "A", b"s" * 32, {}, (RouterModel("a/b"),), 1.0, 1.0))
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO arms (router_id, model_id, task, signal, at, half_life, weight, total, squares, revision) "
            "VALUES ('rtr_a', 'a/b', '', 'success', 5.0, 3600.0, 7.0, 6.0, 6.0, 0)"
        )
    database.close()
    refused = CliRunner().invoke(app, ["rebuild", "--move-back", "--check"])
    assert (refused.exit_code, "give it alone" in refused.stderr) == (2, True)
    assert CliRunner().invoke(app, ["rebuild", "--move-back"], input="n\n").exit_code == 130
    checked = CliRunner().invoke(app, ["rebuild", "--check", "--json"])
    assert checked.exit_code == 1
    (difference,) = json.loads(checked.stdout)["differences"]
    assert (difference["signal"], difference["kept"]["weight"], difference["folded"]) == ("success", 7.0, None)
    mended = CliRunner().invoke(app, ["rebuild", "--router", "rtr_a"])
    assert "1 statistics differed and are mended" in mended.stdout
    assert CliRunner().invoke(app, ["rebuild", "--check"]).exit_code == 0
    moved = CliRunner().invoke(app, ["rebuild", "--move-back"], input="y\n")
    assert "0 requests were recorded later than now" in moved.output
    assert moved.exit_code == 0
    database = open_database(url)
    kept = Arms(database).sums().get(StatisticKey("rtr_a", "a/b", "", Signal.SUCCESS))
    database.close()
    assert kept is None or kept.weight == 0.0
