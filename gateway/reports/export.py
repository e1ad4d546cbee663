"""Writes a router's ledger to a file for analysis: CSV, JSON lines or Parquet, in constant memory."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import IO, TypeAlias

import msgspec

FORMATS = ("csv", "jsonl", "parquet")
ROWS_AT_ONCE = 5_000

FLOATS = frozenset(
    {
        "at",
        "u",
        "propensity",
        "started_at",
        "ended_at",
        "seconds",
        "overhead_seconds",
        "first_token_seconds",
        "cost_usd",
        "score",
        "judge_probability",
        "shadow_probability",
        "shadow_score",
        "assignment",
    }
)
BOOLEANS = frozenset({"randomised", "stream", "estimated", "valid", "cost_known", "cost_stated", "current", "explored"})
INTEGERS = frozenset(
    {
        "estimated_prompt_tokens",
        "request_bytes",
        "attempts",
        "number",
        "drawn",
        "answered",
        "failures",
        "prompt_tokens",
        "cached_tokens",
        "completion_tokens",
        "http_status",
        "sources",
    }
)
"""Columns that are not text: a Parquet file states its types before its rows."""

Row: TypeAlias = Mapping[str, object]


class ExportError(Exception):
    """The export can't be written; the message says what to do."""


def write_file(rows: Iterable[Row], form: str, path: Path) -> int:
    """Write all rows to a file that appears only when it is complete. Returns how many. Raises ExportError."""
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as stream:
            count = write(rows, form, stream)
        os.replace(unfinished, path)
    except OSError as error:
        raise ExportError(f"{path}: can't be written ({error.strerror})") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def write(rows: Iterable[Row], form: str, stream: IO[bytes]) -> int:
    """Write all rows in one of the formats. Returns the number of rows. Raises ExportError."""
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        raise ExportError("there is nothing to export: the router has none yet")
    every = chain([first], iterator)
    if form == "parquet":
        return _write_parquet(every, tuple(first), stream)
    return _write_csv(every, tuple(first), stream) if form == "csv" else _write_json_lines(every, stream)


def _write_json_lines(rows: Iterator[Row], stream: IO[bytes]) -> int:
    count = 0
    for row in rows:
        stream.write(msgspec.json.encode(row) + b"\n")
        count += 1
    return count


def _write_csv(rows: Iterator[Row], columns: tuple[str, ...], stream: IO[bytes]) -> int:
    text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    text.detach()
    return count


def _write_parquet(rows: Iterator[Row], columns: tuple[str, ...], stream: IO[bytes]) -> int:
    try:
        import pyarrow as pa  # noqa: PLC0415 - large, and needed by no other command
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ExportError("Parquet needs the package pyarrow: install it, or choose csv or jsonl") from None
    types = {name: pa.float64() for name in FLOATS} | {name: pa.int64() for name in INTEGERS}
    types |= {name: pa.bool_() for name in BOOLEANS}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in columns])
    count = 0
    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        while part := list(islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(part, schema))
            count += len(part)
    return count
