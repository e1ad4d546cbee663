"""`feedback`: import the scores of a file, by the way that those of `POST /feedback` take."""

import csv
import math
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import Progress

from bandit.types import Epoch
from gateway.cli.commands import new_group
from gateway.cli.database import opened
from gateway.cli.errors import CommandError
from gateway.cli.options import Config, DatabaseUrl, DryRun, Json
from gateway.cli.output import print_json, say
from gateway.errors import GatewayError
from gateway.evidence.problems import Problems
from gateway.feedback import Given, read_item
from gateway.maintenance.rebuild import scales_of, scoring_of
from gateway.settings.router_options import DEFAULT_OPTIONS, LARGEST_SCORE
from storage.database.engine import Database
from storage.errors import FeedbackError, NoAnswerToScore, ScoreOffScale, TooManyCorrections, TooManySources
from storage.records import FeedbackRecord, FeedbackStatus, KeyRecord
from storage.writing.scores import ScaleOf
from storage.writing.scoring import ScoreWriter

app = new_group("feedback")

COLUMNS = ("completion_id", "preferred", "rejected", "score", "thumb", "source", "comment")
KEY = KeyRecord("cli", hash="", label="", scopes=("feedback",), routers=None, created_at=0.0)
"""On whose behalf the command line scores: of every key's completions."""
ANY_SCALE = (-LARGEST_SCORE, LARGEST_SCORE)
"""A score without a scale may be on any router's until its completion is found."""
WRITTEN_AT_ONCE = 250
"""Rows per transaction: a gateway's own writer waits no longer than for these."""
LONGEST_FIELD = 128 * 1024
LONGEST_LINE = len(COLUMNS) * LONGEST_FIELD
"""Characters: a longer line has a field too many, or one that is too long, in its beginning."""


class Row(NamedTuple):
    """A line of the file: its feedback, or what is wrong with it."""

    number: int
    given: Given | None
    problem: str = ""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help=f"A CSV file with some of the columns {', '.join(COLUMNS)}.")],
    scale: Annotated[
        str | None, typer.Option(help="The worst and the best score, such as 1,5 (default: the router's).")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Who scored, for rows that don't say so (default: user; of pairs: pair).")
    ] = None,
    dry_run: DryRun = False,
    config: Config = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Import scores: all rows are checked, then recorded as `POST /feedback` does. Again: each score counts once."""
    defaults: dict[str, object] = {} if source is None else {"source": source}
    bounds = None if scale is None else _bounds(scale)
    counts: Counter[str] = Counter(recorded=0, updated=0, unchanged=0, refused=0)
    terminal = Console(stderr=True)
    with _open(file) as stream, Progress(console=terminal, transient=True, disable=not terminal.is_terminal) as bar:
        total = file.stat().st_size
        checking = bar.add_task("checking", total=total)
        wrong = rows = 0
        problems = Problems(f"{file}:")
        for row in _read(stream, bounds, defaults):
            rows += 1
            bar.update(checking, completed=os.lseek(stream.fileno(), 0, os.SEEK_CUR))
            if row.given is None:
                wrong += 1
                problems.add(row.number, row.problem)
        if wrong:
            say("\n".join(problems.told()))
            raise CommandError(f"{wrong:,} of {rows:,} rows of {file} are wrong; nothing was recorded")
        if not dry_run:
            stream.seek(0)
            writing = bar.add_task("recording", total=rows)
            with (
                opened(config, database_url) as database,
                ScoreWriter(database, scoring_of(database), _scales(database)) as writer,
            ):
                reading = _read(stream, bounds, defaults)
                while some := tuple(islice(reading, WRITTEN_AT_ONCE)):
                    _write(file, writer, some, counts)
                    bar.update(writing, advance=len(some))
    if json:
        print_json({"rows": rows, **counts})
    else:
        say(
            f"{rows:,} rows"
            + (" are right" if dry_run else f": {', '.join(f'{n:,} {name}' for name, n in counts.items())}")
        )
    if counts["refused"]:
        raise CommandError(f"{counts['refused']:,} rows were not recorded, the others were")


def _scales(database: Database) -> ScaleOf:
    scales = scales_of(database)
    return lambda router_id: scales.get(router_id, DEFAULT_OPTIONS.feedback_scale)


def _write(file: Path, writer: ScoreWriter, rows: Sequence[Row], counts: Counter[str]) -> None:
    """Record some rows in one transaction, and name those that can't be."""
    lists = [(row, row.given.records) for row in rows if row.given is not None]
    counts["refused"] += len(rows) - len(lists)  # the file was changed meanwhile
    for (row, records), result in zip(lists, writer.write([records for _, records in lists]), strict=True):
        if isinstance(result, FeedbackError):
            counts["refused"] += 1
            say(f"{file}:{row.number}: {_explain(result, records)}")
        elif isinstance(result, Exception):
            raise result
        else:
            statuses = {receipt.status for receipt in result}
            counts[statuses.pop() if len(statuses) == 1 else FeedbackStatus.UPDATED] += 1


def _explain(error: FeedbackError, records: Sequence[FeedbackRecord]) -> str:
    named = records[error.index].completion_id
    match error:
        case ScoreOffScale():
            low, high = sorted((error.worst, error.best))
            return f"the scores of {named} must be between {low:g} and {high:g}; another scale needs --scale"
        case NoAnswerToScore():
            return f"{named} got no answer that could be scored"
        case TooManySources():
            return f"{named} has scores of 8 sources, which is the most"
        case TooManyCorrections():
            return f"{named} was corrected as often as it may be; its score stays as it is"
    return f"there is no completion {named}"


def _read(stream: TextIOWrapper, bounds: tuple[float, float] | None, defaults: dict[str, object]) -> Iterator[Row]:
    """Yield the rows of a CSV file, in constant memory. Raises CommandError if its header is wrong."""
    csv.field_size_limit(LONGEST_FIELD)
    lines = csv.reader(iter(lambda: stream.readline(LONGEST_LINE), ""), strict=True)
    header = [name.strip() for name in next(_records(lines), (1, [], ""))[1]]
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or not header or len(set(header)) < len(header):
        what = f"it has {unknown[0]!r}" if unknown else "it names one twice" if header else "it has none"
        raise CommandError(f"{stream.name}:1: the first line must name columns of {', '.join(COLUMNS)}; {what}", 2)
    now = Epoch(time.time())
    for number, cells, problem in _records(lines):
        if problem or len(cells) != len(header):
            yield Row(number, None, problem or f"has {len(cells)} fields, and the header {len(header)}")
            continue
        try:
            filled = {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()}
            yield Row(number, read_item(_values(filled, bounds, defaults), KEY, now, (ANY_SCALE,)))
        except GatewayError as error:
            yield Row(number, None, error.message)


def _records(lines: Iterable[list[str]]) -> Iterator[tuple[int, list[str], str]]:
    """Yield each record that is not blank with the number of its line, or what is wrong with it."""
    reader = iter(lines)
    while True:
        number = getattr(lines, "line_num", 0) + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, [], f"is no CSV: {error}"
            continue
        if not any(cell.strip() for cell in cells):
            continue
        broken = any("\udc80" <= character <= "\udcff" for cell in cells for character in cell)
        yield number, cells, "is not valid UTF-8" if broken else ""


def _values(
    filled: dict[str, str], bounds: tuple[float, float] | None, defaults: dict[str, object]
) -> dict[str, object]:
    """The fields of `POST /feedback` in a row."""
    values: dict[str, object] = {**defaults, **{name: cell.strip() for name, cell in filled.items()}}
    if "score" in filled:
        values["score"] = _number(filled["score"])
        if bounds is not None:
            values["scale"] = bounds
    return values


def _number(cell: str) -> object:
    """The number in a cell; the text if it is none, which is then told."""
    try:
        number = float(cell)
    except ValueError:
        return cell
    return number if math.isfinite(number) else cell


def _bounds(scale: str) -> tuple[float, float]:
    parts = [_number(part) for part in scale.split(",")]
    numbers = [part for part in parts if isinstance(part, float)]
    if len(parts) != 2 or len(numbers) != 2 or numbers[0] == numbers[1]:
        raise CommandError(f"--scale is the worst and the best score, such as 1,5, not {scale[:40]!r}", 2)
    return numbers[0], numbers[1]


def _open(file: Path) -> TextIOWrapper:
    try:
        return file.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise CommandError(f"{file}: can't be read ({error.strerror})", 2) from None
