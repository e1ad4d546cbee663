"""Which variants of models agree with what the caller says itself of thinking, the tier and their parameters."""

from collections.abc import Mapping

import msgspec

from gateway.errors import NoCapableModel
from gateway.routing.router import LiveRouter


def agreeing(
    router: LiveRouter, fields: Mapping[str, msgspec.Raw], able: tuple[str, ...], left_out: dict[str, str]
) -> tuple[str, ...]:
    """The arms that a request with these fields can go to; what it says itself is never changed.

    Only arms of the thinking and the tier that it states; and as long as there are others, none whose parameters it
    overrules. Raises NoCapableModel.
    """
    said = {id_: why for id_, variant in router.variants.items() if (why := variant.contradicted(fields))}
    left_out.update({id_: said[id_] for id_ in able if id_ in said})
    agreed = tuple([id_ for id_ in able if id_ not in said])
    if not agreed:
        raise NoCapableModel(
            "no variant of the router's models agrees with this request: "
            + "; ".join(f"{id_} {why}" for id_, why in sorted(left_out.items()))
        )
    overruled = {id_: name for id_, variant in router.variants.items() if (name := variant.overruled(fields))}
    as_set = tuple([id_ for id_ in agreed if id_ not in overruled])
    if not as_set:
        return agreed
    left_out.update({id_: f"sets another `{overruled[id_]}` than the request" for id_ in agreed if id_ in overruled})
    return as_set
