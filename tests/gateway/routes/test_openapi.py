"""The OpenAPI document says what every call takes and answers."""

import json
import re
from typing import Any

from gateway.routes.api import build_api

DOCUMENT = build_api("0").openapi()
OPEN = {"/healthz", "/readyz", "/metrics"}
"""Calls that need no key, or none on this machine."""


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, operation) for path, item in DOCUMENT["paths"].items() for method, operation in item.items()]


def test_every_call_says_what_it_answers_and_that_it_needs_a_key() -> None:
    for path, method, operation in operations():
        place = f"{method} {path}"
        success = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        assert success, place
        for answer in success:
            schemas = [each.get("schema") for each in answer.get("content", {}).values()]
            assert all(schemas) or path == "/metrics", place
            assert schemas or answer is operation["responses"].get("204"), place
        assert ("security" in operation) == (path not in OPEN), place


def test_every_error_that_is_told_is_ours_with_an_example() -> None:
    for path, method, operation in operations():
        for status, answer in operation["responses"].items():
            if status >= "400" and path not in OPEN:
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}, f"{method} {path} {status}"
    assert DOCUMENT["components"]["schemas"]["ErrorBody"]["examples"]
    assert "HTTPValidationError" not in DOCUMENT["components"]["schemas"]


def test_every_query_parameter_that_is_text_has_a_bound() -> None:
    for path, method, operation in operations():
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query" and "string" in str(parameter["schema"]):
                bounds = ("maxLength", "enum", "pattern", "date-time")
                assert any(bound in str(parameter["schema"]) for bound in bounds), f"{method} {path} {parameter}"


def test_every_reference_leads_somewhere() -> None:
    for name in set(re.findall(r"#/components/schemas/([^\"']+)", json.dumps(DOCUMENT))):
        assert name in DOCUMENT["components"]["schemas"]
