"""What commands print is text, whatever callers, models and providers have sent."""

import json

import pytest

from gateway.cli.output import print_json, print_table, say, tell

STEERING = "\x1b]0;title\x07\x1b[2J\x9b31m\x7f\r\x00"
IN_WORDS = r"\x1b]0;title\x07\x1b[2J\x9b31m\x7f\x0d\x00"


def test_no_control_character_of_a_text_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell(f"task {STEERING}\n\tand more")
    print_table(("name", "notes→"), [(STEERING, "fine")], "")
    print_table(("name",), [], f"nothing in {STEERING}")
    say(f"no {STEERING}")
    printed = capsys.readouterr()
    assert printed.out.splitlines()[:2] == [f"task {IN_WORDS}", "\tand more"]
    assert printed.out.count(IN_WORDS) == 3
    assert printed.err == f"no {IN_WORDS}\n"


def test_json_has_texts_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"task": STEERING})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"task": STEERING}
    assert "\x1b" not in printed
