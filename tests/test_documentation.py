"""The pages name tests, files and links that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in ROOT.rglob("*.md") if not {".venv", "node_modules"} & set(path.parts))
TESTS = {
    name for path in ROOT.glob("tests/**/*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
}
FILE = re.compile(r"`((?:tests|benchmarks|gateway|storage|bandit)/[\w/.]+)(?:::\w+)?`")
TEST = re.compile(r"`(?:[\w/.…]+::)?(test_\w+)`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text("utf-8")))
    assert [page.name for page in sorted(ROOT.glob("docs/*.md")) if f"docs/{page.name}" not in linked] == []


def test_the_page_of_pypi_has_no_link_that_leads_nowhere_there() -> None:
    assert LINK.findall((ROOT / "docs" / "pypi.md").read_text("utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    assert [name for name in FILE.findall(text) if not (ROOT / name).exists()] == []
    assert [name for name in TEST.findall(text) if name not in TESTS] == []
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []
