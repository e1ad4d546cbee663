"""What the documentation names exists: each test that is said to hold a promise, and each file that is linked."""

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
