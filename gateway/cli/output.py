"""Output of commands: tables for people, JSON for scripts, remarks on stderr."""

import json as json_module
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from gateway.cli.terminal import printable


def print_json(value: object) -> None:
    """Print a JSON value on stdout."""
    typer.echo(json_module.dumps(value, indent=2, ensure_ascii=False))


def print_view(view: BaseModel) -> None:
    """Print a view of the management API as JSON on stdout."""
    print_json(view.model_dump())


def report(result: BaseModel | Mapping[str, object], remark: str, *, json: bool) -> None:
    """Print what a command did: as JSON on stdout, or as a remark on stderr."""
    if json:
        print_json(result.model_dump() if isinstance(result, BaseModel) else result)
    else:
        say(remark)


def is_or_would_be(dry_run: bool) -> str:
    """The verb of what was done, or would have been."""
    return "would be" if dry_run else "is"


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Print a table on stdout, or `empty` if it has no rows. Columns whose name ends in `→` are right-aligned."""
    lines = list(rows)
    if not lines:
        tell(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.endswith("→")
        table.add_column(column.removesuffix("→"), justify="right" if right else "left", overflow="fold")
    for line in lines:
        table.add_row(*(printable(cell) for cell in line))
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(table)


def tell(text: str) -> None:
    """Print a result, or a part of one, on stdout."""
    typer.echo(printable(text))


def say(message: str) -> None:
    """Print a remark on stderr; stdout is only for the result."""
    typer.echo(printable(message), err=True)


def moment(seconds: float | None) -> str:
    """An instant in UTC; a dash for None."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
