"""A question that the analyst reads itself is taken as the API documents it, or refused."""

from dataclasses import replace

import msgspec
import pytest

from bandit.types import Epoch, Json
from gateway.analyst.calls import Parameters, ask_of, read_call
from gateway.analyst.messages import Ask, Call, Kind
from gateway.analyst.pages import Page
from gateway.analyst.resolution import question_of
from gateway.routes.api import build_api
from gateway.routing.objectives import stored_objective
from storage.database.engine import Database
from storage.records import RouterModel, RouterRecord
from storage.stores.routers import Routers

NOW = Epoch(1_000.0)
DOLLARS: dict[str, Json] = {"quality_usd": 1.0, "second_usd": 0.1, "failure_usd": 0.5}
MODELS = (RouterModel("m/swift"), RouterModel("m/sage"))
RECORD = RouterRecord("rtr_a", "A", b"s" * 32, {"objective": DOLLARS}, MODELS, NOW, NOW)


@pytest.fixture
def routers(database: Database) -> Routers:
    kept = Routers(database)
    kept.add(RECORD)
    kept.add(replace(RECORD, id="rtr_new", settings={"objective": "balanced"}))
    return kept


def no_pages(call: Call, record: RouterRecord) -> Page:
    raise AssertionError(f"{call} asks for no page of {record.id}")


def asked(routers: Routers, query: str, kind: Kind = Kind.EVALUATION, router_id: str = RECORD.id) -> Ask | Page | None:
    return read_call(Call(kind, router_id, query, NOW, 1.0), routers, no_pages)


def test_the_parameters_are_those_that_the_routes_document_with_the_same_bounds() -> None:
    paths = build_api("0").openapi()["paths"]
    documented = {each["name"]: each for each in paths["/admin/routers/{router_id}/frontier"]["get"]["parameters"]}
    del documented["router_id"]
    taken = msgspec.json.schema(Parameters)["$defs"]["Parameters"]["properties"]
    assert taken.keys() == documented.keys()
    for name, schema in taken.items():
        told = documented[name]["schema"]
        assert _bounds(schema) == _bounds(told), name
        assert schema.get("default") == told.get("default"), name


def _bounds(schema: dict[str, object]) -> dict[str, object]:
    """What a parameter may be, unless it is null."""
    variants = schema.get("anyOf", [schema])
    assert isinstance(variants, list)
    (found,) = [each for each in variants if each.get("type") != "null"]
    return {key: value for key, value in found.items() if key not in {"default", "title", "description", "examples"}}


def test_a_call_is_the_question_that_the_route_would_ask(routers: Routers) -> None:
    question = question_of(
        RECORD,
        stored_objective(RECORD),
        days=7.0,
        policy="fixed:m/sage",
        models="m/sage",
        dollars={"second_usd": 0.2},
        exploration=0.25,
    )
    query = "days=7&policy=fixed:m%2Fsage&models=m/sage&second_usd=0.2&exploration=0.25&points=9"
    assert asked(routers, query) == ask_of(Kind.EVALUATION, question, NOW, 0, 1.0)
    assert asked(routers, query, Kind.FRONTIER) == ask_of(Kind.FRONTIER, question, NOW, 9, 1.0)
    assert asked(routers, "") == Ask(Kind.EVALUATION, RECORD.id, 30.0, NOW, "thompson", None, None, None, 0, 1.0)


@pytest.mark.parametrize(
    "query",
    ["days=0", "days=nan", "quality_usd=inf", "second_usd=-1", "exploration=", "policy=astrology", "models=m/nobody"],
)
def test_what_makes_no_sense_is_refused(routers: Routers, query: str) -> None:
    assert asked(routers, query) is None


def test_an_unknown_router_and_dollars_that_are_not_known_yet_are_refused(routers: Routers) -> None:
    assert asked(routers, "", router_id="rtr_nobody") is None
    assert asked(routers, "", router_id="rtr_new") is not None
    assert asked(routers, "quality_usd=1", router_id="rtr_new") is None
