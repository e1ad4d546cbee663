"""Rules of the layout that no import contract can state; those of pyproject.toml are checked by `lint-imports`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BEFORE_HANDLERS = "direct"
"""Answers before FastAPI, so none of its handlers sees an error: it makes the same answers itself."""
ROUTES = sorted(path for path in (ROOT / "gateway" / "routes").glob("*.py") if path.stem != BEFORE_HANDLERS)


@pytest.mark.parametrize("path", ROUTES, ids=lambda path: path.stem)
def test_a_route_contains_no_try(path: Path) -> None:
    """Errors become answers in one place, the handlers that `gateway.routes.api` registers."""
    lines = [node.lineno for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Try)]
    assert not lines, f"{path.name} catches errors in line {lines}: raise a GatewayError, or register a handler"
