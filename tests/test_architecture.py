"""Rules of the layout that no import contract can state; those of pyproject.toml are checked by `lint-imports`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROUTES = sorted((ROOT / "gateway" / "routes").glob("*.py"))


@pytest.mark.parametrize("path", ROUTES, ids=lambda path: path.stem)
def test_a_route_contains_no_try(path: Path) -> None:
    """Errors become answers in one place, the handlers that `gateway.routes.api` registers."""
    lines = [node.lineno for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Try)]
    assert not lines, f"{path.name} catches errors in line {lines}: raise a GatewayError, or register a handler"
