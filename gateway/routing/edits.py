"""Making and changing routers while the gateway runs: the same checks for the command line and the management API."""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace

from bandit.types import Json
from gateway.catalog.catalog import Catalog, UnknownModel
from gateway.routing.objectives import chosen_anew, with_dollars
from gateway.routing.variants import unusable
from gateway.settings.experiment_options import check_experiment, options_over
from gateway.settings.judge_options import judging_models
from gateway.settings.router_options import OptionsError, mentioned_options, read_models, read_options
from gateway.settings.rule_options import check_rules
from gateway.settings.shadow_options import check_judged
from gateway.settings.table_reader import Fields, Problem
from storage.records import RouterModel, RouterRecord

ROUTER_ID = re.compile(r"rtr_[A-Za-z0-9_-]{1,64}")


def new_router(router_id: str, values: Mapping[str, object], catalog: Catalog, now: float) -> RouterRecord:
    """A router from `name`, `models` and options, by their names in the configuration file. Raises OptionsError."""
    problems: list[Problem] = []
    if not ROUTER_ID.fullmatch(router_id):
        problems.append(Problem(("id",), "must be rtr_ and up to 64 letters, digits, `-` and `_`"))
    fields = Fields(values, problems)
    models = _read_models(fields, catalog)
    name = _read_name(fields, router_id)
    settings = mentioned_options(fields, frozenset(model.arm_id for model in models))
    _check_judges(fields, settings, catalog)
    check_judged(fields, settings)
    check_rules(fields, settings, models)
    check_experiment(fields, settings, _enabled(models))
    fields.close()
    if problems:
        raise OptionsError(problems)
    record = RouterRecord(router_id, name, secrets.token_bytes(32), settings, models, now, now)
    return with_dollars(record, catalog)


def changed_router(record: RouterRecord, values: Mapping[str, object], catalog: Catalog, now: float) -> RouterRecord:
    """The router with what `values` says instead; null puts an option back to its default. Raises OptionsError.

    Models that are not named any more stay, disabled, with what was learned of them.
    """
    problems: list[Problem] = []
    fields = Fields(values, problems)
    name = _read_name(fields, record.name)
    models = record.models
    settings: dict[str, Json] = {key: value for key, value in record.settings.items() if key not in values}
    if fields.raw("models") is not None:
        models = models_over(record.models, _read_models(fields, catalog, record.models))
        settings["automatic_models"] = False
    mentioned = mentioned_options(fields)
    _check_judges(fields, mentioned, catalog)
    settings = options_over(settings, mentioned)
    check_judged(fields, settings)
    check_rules(fields, settings, models)
    check_experiment(fields, settings, _enabled(models))
    fields.close()
    if not problems:
        read_options(Fields(settings, problems), frozenset(model.arm_id for model in models))
    if problems:
        raise OptionsError(problems)
    changed = replace(record, name=name, settings=settings, models=models, updated_at=now)
    return with_dollars(chosen_anew(changed) if "objective" in values else changed, catalog)


def models_over(kept: tuple[RouterModel, ...], named: tuple[RouterModel, ...]) -> tuple[RouterModel, ...]:
    """The models that are named now; the others stay, disabled, with what was learned of them."""
    ids = {model.arm_id for model in named}
    return (*named, *(replace(model, enabled=False) for model in kept if model.arm_id not in ids))


def _enabled(models: tuple[RouterModel, ...]) -> list[str]:
    return [model.arm_id for model in models if model.enabled]


def _read_name(fields: Fields, default: str) -> str:
    return fields.text("name", default, pattern=r"(?s).{0,199}\S", right="a name of at most 200 characters")


def _check_judges(fields: Fields, settings: Mapping[str, Json], catalog: Catalog) -> None:
    for model_id in judging_models(settings):
        try:
            catalog.resolve(model_id)
        except UnknownModel as error:
            fields.problems.append(Problem((*fields.path, "judge", "model"), str(error)))


def _read_models(fields: Fields, catalog: Catalog, known: Iterable[RouterModel] = ()) -> tuple[RouterModel, ...]:
    placed = read_models(fields, known)
    problems: dict[tuple[int, str], None] = {}
    for position, model in placed:
        if model.enabled and (why := unusable(model, catalog)):
            problems[position, why] = None
    fields.problems.extend(Problem((*fields.path, "models", position), why) for position, why in problems)
    return tuple(each.model for each in placed)
