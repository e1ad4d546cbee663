"""Cells in shared memory: what processes count is one sum, whoever reads, and survives the process that counted."""

import os
import signal
from collections.abc import Callable, Iterator
from math import isnan

import pytest

from gateway.telemetry import cells as module
from gateway.telemetry.cells import Board, Cells
from gateway.telemetry.families import FEEDBACK, LEDGER_QUEUE, REQUEST_SECONDS, WORKERS


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board(workers=2)
    yield made
    made.close()


def in_child(board: Board, work: Callable[[Cells], None], *, keep: bool = False) -> int:
    """Do this in a forked process with a slot of its own; its pid. It ends at once unless `keep`."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(board.open())
            os.write(told, b"1")
            if keep:
                signal.pause()
        finally:
            os._exit(0)
    os.close(told)
    assert os.read(ready, 1) == b"1"
    os.close(ready)
    if not keep:
        os.waitpid(pid, 0)
    return pid


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def total(board: Board, *key: str, gauges: bool = False) -> float:
    return sum(
        sum(values)
        for reading in board.read()
        if reading.pid or not gauges
        for name, values in reading.values
        if name == key and not isnan(values[0])
    )


def count(cells: Cells, times: float = 1.0) -> None:
    cells.values[cells.start_of(FEEDBACK, "rtr_a", "", "recorded")] += times


def test_what_every_process_has_counted_is_read_from_any(board: Board) -> None:
    mine = board.open()
    count(mine)
    pid = in_child(board, lambda cells: count(cells, 3.0), keep=True)
    assert total(board, FEEDBACK.name, "rtr_a", "", "recorded") == 4.0
    count(mine)
    assert total(board, FEEDBACK.name, "rtr_a", "", "recorded") == 5.0
    end(pid)


def test_a_killed_process_leaves_its_counters_and_takes_its_gauges_along(board: Board) -> None:
    def work(cells: Cells) -> None:
        count(cells, 3.0)
        cells.values[cells.start_of(WORKERS)] = 1.0

    end(in_child(board, work, keep=True))
    assert total(board, FEEDBACK.name, "rtr_a", "", "recorded") == 3.0
    assert total(board, WORKERS.name, gauges=True) == 0.0


def test_a_process_that_takes_a_left_slot_counts_on_and_starts_its_gauges_at_zero(board: Board) -> None:
    def work(cells: Cells) -> None:
        count(cells, 3.0)
        cells.values[cells.start_of(LEDGER_QUEUE)] = 7.0

    for _ in range(20):  # many more than there are slots
        in_child(board, work)
    pid = in_child(board, count, keep=True)
    assert total(board, FEEDBACK.name, "rtr_a", "", "recorded") == 61.0
    assert total(board, LEDGER_QUEUE.name, gauges=True) == 0.0
    assert len(board.read()) == 1
    end(pid)


def test_metrics_that_find_no_room_do_not_touch_those_that_did(
    board: Board, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cells = board.open()
    count(cells)
    monkeypatch.setattr(module, "CELLS", 100)
    for number in range(10):
        cells.values[cells.start_of(REQUEST_SECONDS, f"rtr_{number}")] += 1.0
    assert "more metrics than fit" in caplog.text
    assert total(board, FEEDBACK.name, "rtr_a", "", "recorded") == 1.0
    assert len(board.read()[0].values) < 10


def test_labels_may_hold_any_character(board: Board) -> None:
    cells = board.open()
    labels = ('a "quoted"\n\r\x85\u2028 model', "", "recorded")
    cells.values[cells.start_of(FEEDBACK, *labels)] += 1.0
    count(cells)
    assert total(board, FEEDBACK.name, *labels) == 1.0
    assert total(board, FEEDBACK.name, "rtr_a", "", "recorded") == 1.0
