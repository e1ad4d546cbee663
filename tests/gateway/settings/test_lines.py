"""The line finder agrees with the parser about where each key stands."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.lines import Lines

NAMES = st.text("abcdefgh_-", min_size=1, max_size=6) | st.sampled_from(["a/b.c", "a b", "#x"])
VALUES = st.sampled_from(
    [
        "1",
        '"x = 1 # no"',
        "'[not.a.table]'",
        '"""\nmany = 1\n[lines]\n"""',
        "'''\nlines\n'''",
        "[\n  1, # one\n  2,\n]",
        '{ x = "]" }',
        "true # [comment]",
    ]
)


def quoted(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_every_key_is_found_on_the_line_where_it_was_written(tables: dict[str, dict[str, str]]) -> None:
    written = ""
    where: dict[tuple[str, ...], int] = {}
    for table, entries in tables.items():
        where[(table,)] = written.count("\n") + 1
        written += f"[{quoted(table)}] # the table\n\n"
        for key, value in entries.items():
            where[(table, key)] = written.count("\n") + 1
            written += f"{quoted(key)} = {value}\n"
    tomllib.loads(written)
    lines = Lines(written)
    assert {path: lines.of(path) for path in where} == where


def test_what_has_no_line_of_its_own_is_found_at_what_holds_it() -> None:
    lines = Lines('[a]\nb = { c = 1 }\nd = [\n "x",\n]\n')
    assert lines.of(("a", "b", "c")) == 2
    assert lines.of(("a", "d", 0)) == 3
    assert lines.of(("z",)) is None


def test_dotted_keys_and_arrays_of_tables_are_found() -> None:
    lines = Lines("x.y = 1\n[[t]]\nk = 1\n")
    assert lines.of(("x", "y")) == 1
    assert lines.of(("t", 0, "k")) == 3
