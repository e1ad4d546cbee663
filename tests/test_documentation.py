"""What the documentation names exists: tests that are said to hold a promise, files that are linked or named."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])


def named_tests(text: str) -> Iterator[tuple[Path, str]]:
    """Tests in backquotes, as `path.py::test_name`, or `…::test_name` and `test_name` of the file named before."""
    file = None
    for path, name in re.findall(r"`(?:([\w/]+\.py)(?:::)?|…::)?(test_\w+)?(?=`)", text):
        if path and "/test_" in path:
            file = ROOT / "tests" / path.removeprefix("tests/")
        if file and (path or name):
            yield file, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for file, name in named_tests(page.read_text()):
        assert file.is_file(), f"there is no {file.relative_to(ROOT)}"
        assert not name or re.search(rf"def {name}\(", file.read_text()), f"{file.relative_to(ROOT)} has no {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_links_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"there is no {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_source_file_that_a_page_names_exists(page: Path) -> None:
    for name in re.findall(r"`((?:bandit|storage|gateway|benchmarks)/[\w/]*(?:\.py)?)`", page.read_text()):
        assert "/test_" in name or (ROOT / name).exists(), f"there is no {name}"


def test_the_architecture_page_names_files_of_every_folder() -> None:
    """So that the check above checks something, and no folder is forgotten."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert len(set(re.findall(r"`((?:bandit|storage|gateway)/[\w/]*\.py)`", page))) > 30
    for folder in (ROOT / "gateway").iterdir():
        if (folder / "__init__.py").exists():
            assert f"`gateway/{folder.name}/" in page, f"gateway/{folder.name} is not mentioned"
