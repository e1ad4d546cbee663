"""A router's definition: its record, the catalog and the evaluations, parsed once for many requests."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bandit.price import Price
from bandit.statistics import Evidence
from bandit.types import Arm, ArmPrior, RouterSettings
from gateway.catalog.catalog import Catalog, Model, UnknownModel
from gateway.routing.evidence import EvaluatedModels
from gateway.routing.objectives import objective_of
from gateway.routing.rules import Rules, rules_of
from gateway.routing.variants import ArmVariant, resolve_entry
from gateway.settings.router_options import RouterOptions, bandit_settings
from storage.records import RouterRecord
from storage.stores.priors import ArmKey

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Definition:
    """A router's settings, models and arms, until its record changes. Immutable.

    `left_out` says why enabled models can't be used as this process is configured, by their ids.
    """

    options: RouterOptions
    settings: RouterSettings
    secret: bytes
    models: Mapping[str, Model]  # those of the enabled arms, by the arms' ids, in order
    arms: tuple[Arm, ...]
    created_at: float
    variants: Mapping[str, ArmVariant] = field(default_factory=dict)  # by the arms' ids; without models as they are
    judges: tuple[Model, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    rules: Rules | None = None

    def repriced(self, catalog: Catalog) -> "Definition":
        """Return the definition with the catalog's present prices; this one if they are the same."""
        models = {arm_id: catalog.get(model.id) or model for arm_id, model in self.models.items()}
        judges = tuple(catalog.get(judge.id) or judge for judge in self.judges)
        if (models, judges) == (self.models, self.judges):
            return self
        arms = tuple(
            replace(arm, price=_price(models[arm.model_id], self.variants.get(arm.model_id))) for arm in self.arms
        )
        return replace(self, models=models, arms=arms, judges=judges)


def define(
    record: RouterRecord, catalog: Catalog, priors: Mapping[ArmKey, ArmPrior], evaluated: EvaluatedModels
) -> Definition:
    """Make the definition of a stored router. A model that is no longer configured is left out, with a warning.

    Raises OptionsError.
    """
    options = RouterOptions.from_json(record.settings)
    models: dict[str, Model] = {}
    variants: dict[str, ArmVariant] = {}
    left_out: dict[str, str] = {}
    arms: list[Arm] = []
    for entry in sorted(record.models, key=lambda entry: entry.arm_id):
        if not entry.enabled:
            continue
        try:
            model, variant = resolve_entry(entry, catalog)
        except UnknownModel as error:
            log.warning("router %s is served without %s: %s", record.id, entry.arm_id, error)
            left_out[entry.arm_id] = str(error)
            continue
        models[entry.arm_id] = model
        if variant is not None:
            variants[entry.arm_id] = variant
        prior, price = priors[record.id, entry.arm_id], _price(model, variant)
        arms.append(Arm(entry.arm_id, price, prior, min_share=entry.min_share, max_share=entry.max_share))
    return Definition(
        options=options,
        settings=bandit_settings(record.id, options, objective_of(record, catalog)),
        secret=record.secret,
        models=models,
        arms=tuple(arms),
        created_at=record.created_at,
        variants=variants,
        judges=_judges(record.id, options, catalog),
        left_out=left_out,
        evidence=evaluated.of(record.id, record.eval_ids),
        rules=rules_of(options.rules, options.default),
    )


def _price(model: Model, variant: ArmVariant | None) -> Price:
    return model.price if variant is None else variant.price(model)


def _judges(router_id: str, options: RouterOptions, catalog: Catalog) -> tuple[Model, ...]:
    judges: list[Model] = []
    for model_id in options.judge.models if options.judge is not None else ():
        try:
            judges.append(catalog.resolve(model_id))
        except UnknownModel as error:
            log.warning("router %s: %s judges nothing: %s", router_id, model_id, error)
    return tuple(judges)
