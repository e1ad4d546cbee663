"""How commands speak: tables for people, JSON for scripts, everything else on stderr."""

import json as json_module
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.table import Table


def print_json(value: object) -> None:
    """One JSON value on stdout."""
    typer.echo(json_module.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """A table on stdout, `empty` where there is no row. Columns whose name ends in `→` are set to the right."""
    lines = list(rows)
    if not lines:
        typer.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.endswith("→")
        table.add_column(column.removesuffix("→"), justify="right" if right else "left", overflow="fold")
    for line in lines:
        table.add_row(*line)
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(table)


def say(message: str) -> None:
    """A remark for the person, on stderr: stdout belongs to the result."""
    typer.echo(message, err=True)


def moment(seconds: float | None) -> str:
    """An instant as a person reads it, in UTC; a dash for none."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
