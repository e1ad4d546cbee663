"""What can be managed over HTTP can be managed by the command line, and the other way round."""

import re
from importlib import import_module
from pathlib import Path

from typer.main import get_command

from gateway.cli.commands import COMMANDS
from gateway.routes.api import build_api

PAGE = Path(__file__).parents[3] / "docs/management.md"
ROW = re.compile(r"^\| (?:`([A-Z]+ /\S+)`|-) \| (?:`([a-z ]+)`|-) \| (.+) \|$", re.MULTILINE)
OTHERS = {
    "serve",
    "demo",
    "feedback",
    "migrate",
    "doctor",
    "export",
    "backup",
    "restore",
    "rebuild",
    "records",
    "version",
}
"""Commands that manage nothing, or the database and files of a machine."""


def calls() -> set[str]:
    paths = build_api("0").openapi()["paths"]
    return {
        f"{method.upper()} {path}"
        for path, item in paths.items()
        if path.startswith("/admin/")
        for method in item
    }  # fmt: skip


def commands() -> set[str]:
    found: set[str] = set()
    for name in COMMANDS.keys() - OTHERS:
        inner = getattr(get_command(import_module(f"gateway.cli.{name}").app), "commands", None)
        found |= {name} if inner is None else {f"{name} {each}" for each in inner}
    return found


def test_every_call_and_every_command_that_manages_is_in_the_table_and_none_else() -> None:
    rows = ROW.findall(PAGE.read_text())
    told = [call for call, _, _ in rows if call]
    assert sorted(told) == sorted(calls())
    assert {command for _, command, _ in rows if command} == commands()
