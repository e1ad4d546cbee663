"""Reads rows of files as a stream, in constant memory: CSV, JSON lines, and Parquet if pyarrow is installed."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from gateway.evidence.problems import EvidenceError, Problems
from gateway.evidence.rows import FIELDS, NEEDED
from gateway.settings.table_reader import shown

MAX_LINE = 4_000_000
MAX_COLUMNS = 50
PARQUET_ROWS = 100
"""Read at once: a cell may be large, and one that is in the file once may be the value of many rows."""

NumberedRows: TypeAlias = Iterator[tuple[int, Mapping[str, object]]]
"""Rows with the line on which each begins, or their number."""

_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_csv(stream: Iterable[bytes], problems: Problems) -> NumberedRows:
    """Yield the rows of a CSV whose header names some of the fields. A broken rest becomes a problem.

    Raises EvidenceError for a header that is none.
    """
    records = _records(_lines(stream, problems), problems)
    _, header = next(records, (1, []))
    problems.complain()
    columns = _columns(header)
    for line, cells in records:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            problems.add(line, f"has {len(cells)} cells and the header {len(columns)}")
            continue
        yield line, dict(zip(columns, cells, strict=True))


def read_json_lines(stream: Iterable[bytes], problems: Problems) -> NumberedRows:
    """Yield the objects of a file with one JSON object per line; lines that are none become problems."""
    for number, line in enumerate(_lines(stream, problems), start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            problems.add(number, f"is not valid JSON: {error}")
            continue
        if not isinstance(row, dict):
            problems.add(number, f'must be an object, such as {{"model_id": …, "score": …}}, not {shown(row)}')
            continue
        yield number, row


def read_parquet(path: Path) -> NumberedRows:
    """Yield the rows of a Parquet file. Raises EvidenceError."""
    try:
        import pyarrow  # noqa: PLC0415 - only Parquet needs it
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise EvidenceError("Parquet needs pyarrow (`pip install pyarrow`); CSV and JSON lines need nothing") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _columns(list(file.schema_arrow.names))
            number = 0
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pyarrow.ArrowException as error:
        raise EvidenceError(f"is no Parquet file: {error}") from None


def _lines(stream: Iterable[bytes], problems: Problems) -> Iterator[str]:
    """Decode lines; one that is no text in UTF-8, or too long, ends the file with a problem."""
    for number, line in enumerate(stream, start=1):
        if number == 1 and line.startswith(_UTF_16_MARKS):
            problems.add(number, "is UTF-16 text; save the file as UTF-8")
            return
        if len(line) > MAX_LINE:
            problems.add(number, f"has more than {MAX_LINE:,} bytes; a row has at most that many")
            return
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            problems.add(number, "is not UTF-8 text; save the file as UTF-8")
            return
        if "\0" in text:
            problems.add(number, "holds a NUL character, as UTF-16 text does; save the file as UTF-8")
            return
        yield text


def lines_of(stream: BinaryIO, longest: int = MAX_LINE) -> Iterator[bytes]:
    """Yield the lines of a file, none of them longer than is needed to see that it is too long."""
    while line := stream.readline(longest + 1):
        yield line


def _records(lines: Iterable[str], problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line on which it begins: a quoted cell may go over several."""
    reader = csv.reader(lines, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        problems.add(line, f"is not valid CSV: {error}")


def _columns(header: list[str]) -> list[str]:
    names = [name.strip().lower() for name in header[:MAX_COLUMNS]]
    if len(names) == 1:
        for separator, called in _SEPARATORS.items():
            if separator in names[0]:
                raise EvidenceError(f"line 1: the columns are separated by {called}; separate them by commas")
    told = [f"line 1: the column {needed} is missing" for needed in NEEDED if needed not in names]
    for name in names:
        if name not in FIELDS:
            told.append(f"line 1: {shown(name)} is not a column; the columns are {','.join(FIELDS)}")
        elif names.count(name) > 1:
            told.append(f"line 1: the column {name} stands twice")
    if told:
        raise EvidenceError(*dict.fromkeys(told))
    return names
