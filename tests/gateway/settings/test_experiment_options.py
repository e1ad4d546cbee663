"""The parts of an experiment: read, refused with what is right, and put in place of a policy."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bandit.experiment import Experiment, Part, Unit
from bandit.types import Json
from gateway.catalog.catalog import Catalog
from gateway.routing.edits import changed_router, new_router
from gateway.settings import load
from gateway.settings.experiment_options import options_over, policy_in_words
from gateway.settings.router_options import OptionsError, RouterOptions, bandit_settings
from storage.records import RouterRecord

NAN = float("nan")
FIXED = "fixed:simulated/swift"
CATALOG = Catalog(load(None, {}), datetime(2026, 11, 1, tzinfo=UTC))
PARTS: list[Json] = [{"policy": "thompson", "share": 0.9}, {"policy": FIXED, "share": 0.1}]
MODELS = ["simulated/swift", "simulated/steady"]
EMPTY: dict[str, Json] = {"models": list[Json](MODELS)}


def made(**options: object) -> RouterRecord:
    return new_router("rtr_a", {**EMPTY, **options}, CATALOG, 0.0)


def refused(**options: object) -> str:
    with pytest.raises(OptionsError) as error:
        made(**options)
    return str(error.value)


def parts(*each: tuple[object, object]) -> list[dict[str, object]]:
    return [{"policy": policy, "share": share} for policy, share in each]


def test_an_experiment_is_read_stored_and_shown_as_it_is_given() -> None:
    record = made(policies=PARTS, experiment_unit="key")
    options = RouterOptions.from_json(json.loads(json.dumps(record.settings)))
    shown = options.to_json()
    assert (shown["policies"], shown["experiment_unit"], shown["policy"]) == (PARTS, "key", None)
    assert RouterOptions.from_json(shown) == options
    settings = bandit_settings("rtr_a", options, options.objective)  # type: ignore[arg-type]  # not looked at
    assert settings.experiment == Experiment((Part("thompson", 0.9), Part(FIXED, 0.1)), Unit.KEY)
    assert policy_in_words(shown) == f"thompson 0.9, {FIXED} 0.1 by key"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (parts(("thompson", 1.0), (FIXED, 0.0)), "policies[1].share must be more than 0"),
        (parts(("thompson", 0.9), (FIXED, NAN)), "policies[1].share must be a finite number"),
        (parts(("thompson", 1.1), (FIXED, -0.1)), "policies[1].share must be more than 0"),
        (parts(("thompson", 0.9), (FIXED, True)), "policies[1].share must be a finite number"),
        (parts(("thompson", 0.9), (FIXED, 0.099)), "policies have shares that add up to 0.999; they must add up to 1"),
        (parts(("thompson", 0.9), (FIXED, 0.2)), "policies have shares that add up to 1.1"),
        (parts(("thompson", 0.5), ("thompson", 0.5)), 'policies[1].policy names "thompson" a second time'),
        (parts(("epsilon_greedy", 0.5), ("epsilon-greedy:0.1", 0.5)), "a second time"),
        (parts(("thompson", 0.5), ("thomson", 0.5)), 'did you mean "thompson"?'),
        (parts(("thompson", 0.5), ("fixed", 0.5)), "policies[1].policy 'fixed' needs a model"),
        (parts(("thompson", 0.5), ("fixed:openai/none", 0.5)), "fixes a model that is not enabled"),
        (parts(("thompson", 1.0)), "policies must be a list of 2 to 8 tables"),
        (parts(*[("uniform", 0.1)] * 10), "policies must be a list of 2 to 8 tables"),
        ([], "policies must be a list of 2 to 8 tables"),
        ("thompson", "policies must be a list of 2 to 8 tables"),
        ({"thompson": 0.9}, "policies must be a list of 2 to 8 tables"),
        (["thompson", "uniform"], "policies[0] must be a table"),
        ([{"policy": "thompson"}, {"share": 0.1}], "policies[0] needs share, such as share = 0.1"),
        ([{"share": 0.9}, {"policy": "uniform", "share": 0.1}], "policies[0] needs policy"),
        ([{"policy": "thompson", "shares": 0.9}, *parts(("uniform", 0.1))], 'did you mean "share"?'),
        ([{"policy": 3, "share": 0.9}, *parts(("uniform", 0.1))], "policies[0].policy must be a policy"),
    ],
    ids=str,
)
def test_wrong_parts_are_refused_with_their_place(given: object, words: str) -> None:
    assert words in refused(policies=given)


def test_a_policy_beside_an_experiment_and_an_unknown_unit_are_refused() -> None:
    assert refused(policies=PARTS, policy="uniform").startswith("policy can't be given beside policies")
    assert 'experiment_unit must be "user", "key" or "request"' in refused(policies=PARTS, experiment_unit="usr")


def test_shares_that_add_up_to_1_but_for_rounding_are_taken() -> None:
    given = parts(*[(f"epsilon_greedy:{k / 10}", share) for k, share in enumerate([0.1] * 3 + [0.7])])
    assert RouterOptions.from_json(made(policies=given).settings).policies[3].share == 0.7
    third = parts(("thompson", 1 / 3), ("uniform", 1 / 3), (FIXED, 1 / 3))
    assert len(RouterOptions.from_json(made(policies=third).settings).policies) == 3


def test_an_experiment_replaces_a_policy_and_a_policy_an_experiment() -> None:
    plain = made(policy="uniform")
    experimenting = changed_router(plain, {"policies": PARTS}, CATALOG, 1.0)
    assert "policy" not in experimenting.settings
    ended = changed_router(experimenting, {"policy": "cheapest"}, CATALOG, 2.0)
    assert (ended.settings["policy"], ended.settings.get("policies")) == ("cheapest", None)
    back = changed_router(experimenting, {"policies": None, "policy": "uniform"}, CATALOG, 3.0)
    assert replace(back, updated_at=0.0) == plain
    assert options_over({"policy": "uniform", "exploration": 0.1}, {"policies": PARTS}) == {
        "exploration": 0.1,
        "policies": PARTS,
    }


def test_a_model_that_an_experiment_fixes_can_not_be_disabled() -> None:
    record = made(policies=PARTS)
    with pytest.raises(OptionsError, match='models leave out "simulated/swift", which policies give a share'):
        changed_router(record, {"models": ["simulated/steady"]}, CATALOG, 1.0)
    ending = {"models": ["simulated/steady"], "policies": None}
    assert not changed_router(record, ending, CATALOG, 1.0).models[1].enabled
