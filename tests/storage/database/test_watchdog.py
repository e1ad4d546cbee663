"""The watchdog of database calls: it ends a call that makes no progress, and no other."""

import socket
import threading
from collections.abc import Iterator

import pytest

from storage.database import postgresql, watchdog
from storage.database.watchdog import HANGING_SECONDS, Watchdog
from storage.errors import DatabaseTimeout, DatabaseUnavailable
from tests.support.waiting import wait_until


class Clock:
    """A clock that stands still until it is moved, and counts the looks at it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.now

    def move(self, seconds: float) -> None:
        """Move the clock on, and wait until the watchdog's thread has looked at it twice."""
        self.now += seconds
        before = self.looks
        wait_until(lambda: self.looks >= before + 2, "the watchdog looks at the clock")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watchdog, "time", clock)
    monkeypatch.setattr(watchdog, "_LOOK_SECONDS", 0.01)
    return clock


@pytest.fixture
def watching(clock: Clock) -> Iterator[Watchdog]:
    watching = Watchdog()
    yield watching
    watching.close()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def wait_for_an_answer(ours: socket.socket) -> None:
    """Wait as a driver does, which raises an error when its socket is shut."""
    if ours.recv(1) == b"":
        raise DatabaseUnavailable("the connection is lost")


def test_a_server_tells_of_a_lock_before_it_is_left_for_hanging_and_frees_one_that_is_held_by_a_frozen_process() -> (
    None
):
    assert postgresql.LOCK_SECONDS < watchdog.HANGING_SECONDS < postgresql.FROZEN_SECONDS


def test_a_call_that_gets_on_is_left_alone_however_long_it_takes(
    clock: Clock, watching: Watchdog, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    with watching.over(ours):
        for _ in range(10):
            clock.move(0.9 * HANGING_SECONDS)
            watching.progress()
        theirs.send(b"x")
        wait_for_an_answer(ours)


@pytest.mark.parametrize("patience", [1.0, 4.0])
def test_a_call_without_progress_is_ended_and_said_to_be_one(
    clock: Clock, watching: Watchdog, ends: tuple[socket.socket, socket.socket], patience: float
) -> None:
    ours, theirs = ends
    limit = patience * HANGING_SECONDS

    def pass_time() -> None:
        clock.move(0.9 * limit)
        theirs.send(b"x")
        clock.now += 0.2 * limit

    moving = threading.Thread(target=pass_time)
    with pytest.raises(DatabaseTimeout, match=f"no progress for {limit:.1f} s"), watching.over(ours, patience):
        moving.start()
        for _ in range(2):
            wait_for_an_answer(ours)
    moving.join()


def test_an_error_of_another_kind_stays_what_it_is(
    watching: Watchdog, ends: tuple[socket.socket, socket.socket]
) -> None:
    with pytest.raises(DatabaseUnavailable, match="refused") as raised, watching.over(ends[0]):
        raise DatabaseUnavailable("refused")
    assert type(raised.value) is DatabaseUnavailable
