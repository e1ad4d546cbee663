"""Presets become dollars when they are chosen, and no model that joins later moves them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bandit.types import Json, Objective
from gateway.catalog.catalog import Catalog
from gateway.routing.edits import changed_router, new_router
from gateway.routing.objectives import KEPT, kept_dollars, objective_of, with_dollars
from gateway.settings import load

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MODELS = {"small": (0.1, 0.4), "medium": (1.0, 4.0), "dear": (57.0, 228.0)}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    path = tmp_path / "a.toml"
    text = '[providers.p]\nbase_url = "http://127.0.0.1:1/v1"\n'
    for name, (prompt, completion) in MODELS.items():
        text += f'[models."p/{name}"]\ninput_usd_per_million = {prompt}\noutput_usd_per_million = {completion}\n'
    path.write_text(text)
    return Catalog(load(path, {}), NOW)


def test_a_preset_is_a_multiple_of_what_the_router_s_models_cost_when_it_is_chosen(catalog: Catalog) -> None:
    router = new_router("rtr_a", {"models": ["p/small"], "objective": "cheapest"}, catalog, 1.0)
    typical_usd = (1_000 * 0.1 + 300 * 0.4) / 1e6
    assert objective_of(router, catalog).quality_usd == pytest.approx(4 * typical_usd)
    assert kept_dollars(router) == objective_of(router, catalog)


def test_a_joining_model_does_not_move_a_chosen_preset(catalog: Catalog) -> None:
    router = new_router("rtr_a", {"models": ["p/small", "p/medium"], "objective": "cheapest"}, catalog, 1.0)
    joined = changed_router(router, {"models": ["p/small", "p/medium", "p/dear"]}, catalog, 2.0)
    assert objective_of(joined, catalog) == objective_of(router, catalog)


def test_the_default_is_kept_like_a_preset_that_was_named(catalog: Catalog) -> None:
    router = new_router("rtr_a", {"models": ["p/small"]}, catalog, 1.0)
    joined = changed_router(router, {"models": ["p/dear"]}, catalog, 2.0)
    assert objective_of(joined, catalog) == objective_of(router, catalog)


def test_choosing_a_preset_again_takes_the_models_of_now(catalog: Catalog) -> None:
    router = new_router("rtr_a", {"models": ["p/small"], "objective": "cheapest"}, catalog, 1.0)
    joined = changed_router(router, {"models": ["p/dear"]}, catalog, 2.0)
    again = changed_router(joined, {"objective": "cheapest"}, catalog, 3.0)
    assert objective_of(again, catalog).quality_usd > 100 * objective_of(router, catalog).quality_usd


def test_dollars_of_the_user_s_own_take_a_preset_s_place(catalog: Catalog) -> None:
    router = new_router("rtr_a", {"models": ["p/small"]}, catalog, 1.0)
    own = {"quality_usd": 0.02, "second_usd": 0.001, "failure_usd": 0.005}
    changed = changed_router(router, {"objective": own}, catalog, 2.0)
    assert objective_of(changed, catalog) == Objective(**own)
    assert KEPT not in changed.settings


@pytest.mark.parametrize("broken", [{"preset": "balanced"}, {"preset": "balanced", "quality_usd": -1}, 7])
def test_kept_dollars_that_make_no_sense_are_chosen_anew(catalog: Catalog, broken: Json) -> None:
    router = new_router("rtr_a", {"models": ["p/small"]}, catalog, 1.0)
    damaged = replace(router, settings={KEPT: broken})
    assert objective_of(damaged, catalog) == objective_of(router, catalog)


def test_the_dollars_of_a_newer_version_s_preset_are_kept(catalog: Catalog) -> None:
    router = new_router("rtr_a", {"models": ["p/small"]}, catalog, 1.0)
    dollars: dict[str, Json] = {"preset": "greenest", "quality_usd": 9.0, "second_usd": 1.0, "failure_usd": 1.0}
    newer = replace(router, settings={**router.settings, "objective": "greenest", KEPT: dollars})
    assert with_dollars(newer, catalog) == newer
