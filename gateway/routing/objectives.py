"""A router's objective in dollars. A preset is multiplied out when it is chosen and kept so with the router:
a model that joins later must not change what an answer is worth.
"""

from collections.abc import Iterable
from dataclasses import asdict, replace

import msgspec

from bandit.objective import preset_usd, validate
from bandit.types import Json, Objective
from gateway.catalog.catalog import Catalog
from gateway.settings.router_options import OptionsError, RouterOptions
from storage.records import RouterModel, RouterRecord

KEPT = "preset_usd"
"""The key in a router's stored settings: the preset's name and its dollars."""


def with_dollars(record: RouterRecord, catalog: Catalog) -> RouterRecord:
    """The router with its preset in dollars: as they were kept, or of its models' prices if it is chosen now.

    As it is if its settings can't be read: the dollars of a newer version's preset are not ours to replace.
    """
    try:
        wanted = RouterOptions.from_json(record.settings).objective
    except OptionsError:
        return record
    if isinstance(wanted, Objective):
        settings = {key: value for key, value in record.settings.items() if key != KEPT}
        return replace(record, settings=settings)
    if _kept(record, wanted) is not None:
        return record
    if not any(catalog.get(model.model_id) for model in record.models if model.enabled):
        return record  # nobody's prices to choose by yet
    dollars: dict[str, Json] = {"preset": wanted, **asdict(preset_for(wanted, record.models, catalog))}
    return replace(record, settings={**record.settings, KEPT: dollars})


def chosen_anew(record: RouterRecord) -> RouterRecord:
    """The router without a preset's kept dollars, so that `with_dollars` takes today's prices and models."""
    return replace(record, settings={key: value for key, value in record.settings.items() if key != KEPT})


def objective_of(record: RouterRecord, catalog: Catalog) -> Objective:
    """What the router values, in dollars."""
    wanted = RouterOptions.readable(record.settings).objective
    return stored_objective(record) or preset_for(str(wanted), record.models, catalog)


def stored_objective(record: RouterRecord) -> Objective | None:
    """What the router values, in dollars; None for a preset that was never served."""
    wanted = RouterOptions.readable(record.settings).objective
    return wanted if isinstance(wanted, Objective) else _kept(record, wanted)


def kept_dollars(record: RouterRecord) -> Objective | None:
    """A preset's dollars as the router keeps them; None for an objective in dollars or one never served."""
    wanted = RouterOptions.readable(record.settings).objective
    return None if isinstance(wanted, Objective) else _kept(record, wanted)


def preset_for(preset: str, models: Iterable[RouterModel], catalog: Catalog) -> Objective:
    """What a preset comes to with the enabled models' prices today."""
    known = [catalog.get(model.model_id) for model in models if model.enabled]
    return preset_usd(preset, [model.price for model in known if model is not None])


def _kept(record: RouterRecord, preset: str) -> Objective | None:
    """The kept dollars; None if there are none, or they are another preset's or not sensible."""
    match record.settings.get(KEPT):
        case {"preset": name, **dollars} if name == preset:
            try:
                return validate(msgspec.convert(dollars, Objective))
            except (ValueError, msgspec.ValidationError):
                return None
    return None
