"""The log's writer: every line is written, told as a number, or counted as lost; never waited for."""

import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.telemetry import batches
from gateway.telemetry.log_lines import Answered, as_json, as_words
from gateway.telemetry.log_writer import LogHandler, LogWriter
from tests.support.waiting import wait_until

SECRET = "sk-provider-0123456789"


class Pipe:
    """A pipe that is read only when it is asked."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def fill(self) -> None:
        os.set_blocking(self.writing, False)
        try:
            while True:
                os.write(self.writing, b"x" * 512)
        except BlockingIOError:
            os.set_blocking(self.writing, True)

    def read(self) -> bytes:
        os.set_blocking(self.reading, False)
        found = b""
        try:
            while part := os.read(self.reading, 65_536):
                found += part
        except BlockingIOError:
            pass
        return found

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read().splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.reading)
    os.close(made.writing)


def writer_to(pipe: Pipe) -> LogWriter:
    made = LogWriter(pipe.writing, as_json, logging.INFO)
    made.hide([SECRET])
    return made


def answered(number: int = 0, status: int = 200) -> Answered:
    return Answered(logging.INFO, 1.5, f"req_{number}", "GET", "/feedback", status, 0.25)


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("gateway.some", logging.WARNING, "file.py", 1, message, args, None)
    vars(made).update(extra)
    return made


def test_lines_are_written_in_order_and_whole(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    for number in range(150):
        writer.put(answered(number))
    writer.flush()
    told = pipe.lines()
    assert [line["request_id"] for line in told] == [f"req_{number}" for number in range(150)]
    assert told[0]["at"] == "1970-01-01T00:00:01.500Z"
    assert writer.counts == {("info", "written"): 150}


def test_a_full_pipe_stops_nobody_and_what_finds_no_room_is_counted(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "FLUSH_SECONDS", 0.05)
    writer = writer_to(pipe)
    pipe.fill()
    lines = 2 * batches.MOST_WAITING + 501  # the thread takes one, and then as many as wait
    for number in range(lines):
        writer.put(answered(number))
    writer.flush()
    assert writer.counts["info", "lost"] >= 500
    assert ("info", "written") not in writer.counts
    found = b""

    def all_told() -> bool:
        nonlocal found
        found += pipe.read()
        return sum(writer.counts.values()) == lines

    wait_until(all_told, "the rest is written once somebody reads")
    writer.put(answered(-1))
    writer.flush()
    found += pipe.read()
    told = [json.loads(line) for line in found.lstrip(b"x").splitlines()]
    assert sum(line["count"] for line in told if line["event"] == "lost") == writer.counts["info", "lost"]


def test_the_thread_ends_when_it_is_idle_and_the_next_line_starts_another(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "IDLE_SECONDS", 0.01)
    writer = writer_to(pipe)
    before = set(threading.enumerate())
    for number in range(3):
        writer.put(answered(number))
        writer.flush()
        wait_until(lambda: set(threading.enumerate()) <= before, "the thread has ended")
    assert writer.counts == {("info", "written"): 3}


def test_nothing_is_written_into_what_gets_the_number_of_a_closed_descriptor(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "IDLE_SECONDS", 0.01)
    first = Pipe()
    writer = writer_to(first)
    number = first.writing
    os.close(number)
    os.dup2(pipe.writing, number)
    writer.put(answered())
    writer.flush()
    os.close(number)
    assert pipe.read() == b""
    assert len(first.lines()) == 1
    os.close(first.reading)


def test_a_closed_pipe_ends_nothing(pipe: Pipe) -> None:
    other = Pipe()
    os.close(other.reading)
    writer = writer_to(other)
    writer.put(answered())
    writer.flush()
    assert writer.counts == {("info", "lost"): 1}
    os.close(other.writing)


def test_a_message_keeps_its_fields_and_loses_secrets_and_line_breaks(pipe: Pipe) -> None:
    handler = LogHandler(writer_to(pipe))
    handler.emit(
        record("%s said\n%s", SECRET, "sk-bg-abcdefghijkl", fields={"event": "attempt_failed", "model": "p/a"})
    )
    handler.flush()
    (line,) = pipe.lines()
    assert (line["event"], line["level"], line["model"]) == ("attempt_failed", "warning", "p/a")
    assert line["message"] == "[redacted] said\n[redacted]"
    words = as_words(line)
    assert words.count(b"\n") == 1
    assert b"\\x0a" in words


def test_the_text_of_an_exception_on_the_request_path_is_left_out(pipe: Pipe) -> None:
    handler = LogHandler(writer_to(pipe))
    for name in ("gateway.flow", "gateway.serving.direct", "gateway.judging.queue", "storage.writing.writer"):
        try:
            raise ValueError("what the caller sent")
        except ValueError as error:
            made = record("it failed")
            made.name, made.exc_info = name, (type(error), error, error.__traceback__)
            handler.emit(made)
    handler.flush()
    *on_path, elsewhere = pipe.lines()
    assert len(on_path) == 3
    for line in on_path:
        assert line["exception"].endswith("ValueError")
        assert "test_log_writer.py" in line["exception"]
        assert "what the caller sent" not in json.dumps(line).replace(
            'raise ValueError(\\"what the caller sent\\")', ""
        )
    assert elsewhere["exception"].endswith("ValueError: what the caller sent")


def test_successes_are_always_told_and_repeated_failures_a_few_times(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    for number in range(100):
        writer.put(answered(number))
        writer.put(answered(number, status=503))
    writer.flush()
    told = pipe.lines()
    assert sum(line["status"] == 200 for line in told) == 100
    assert sum(line["status"] == 503 for line in told) == 10
    assert writer.counts["info", "suppressed"] == 90


def test_different_messages_from_one_place_are_told_and_bounded_all_the_same(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    handler = LogHandler(writer)
    for number in range(30):
        handler.emit(record("configuration: %s", f"change {number}"))
    for number in range(1_000):
        handler.emit(record("%s could not be checked", f"req_{number}"))
        handler.emit(record("request %s failed", f"req_{number}", about="p/a"))
    writer.flush()
    told = [line["message"] for line in pipe.lines()]
    assert sum(message.startswith("configuration") for message in told) == 30
    assert sum(message.endswith("checked") for message in told) == 100
    assert sum(message.endswith("failed") for message in told) == 10


def test_a_fork_has_a_queue_and_a_thread_of_its_own(pipe: Pipe) -> None:
    writer = writer_to(pipe)
    writer.put(answered(1))
    writer.flush()
    pid = os.fork()
    if pid == 0:
        try:
            writer.put(answered(2))
            writer.flush()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    writer.put(answered(3))
    writer.flush()
    assert [line["request_id"] for line in pipe.lines()] == ["req_1", "req_2", "req_3"]
    assert sum(thread.name == "log-writer" for thread in threading.enumerate()) >= 1
