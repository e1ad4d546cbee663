"""Metric cells in memory that the gateway's processes share: each writes a slot of its own, a scrape reads all.

The memory is anonymous and inherited by `fork`: there is no file that another gateway could meet, and a gateway that
starts anew counts from zero. What a process had counted stays when it ends, however it ends.
"""

import fcntl
import logging
import mmap
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import nan

import msgspec

from gateway.telemetry.families import BY_NAME, GAUGES, Family

log = logging.getLogger(__name__)

Key = tuple[str, ...]
"""A family's name, then the values of its labels."""

CELLS = 1 << 18
NAMES_BYTES = 1 << 24
"""Bounds of one process: some thousand routers. Pages that were never written take no memory."""

NOT_TOLD = nan
"""Value of a gauge that is not exposed now."""

_PID, _NAMED = 0, 1  # the first cells: who writes here, and how many bytes of names there are
_FIRST = 2
_SPARE = 64  # the last cells take what finds no room; no family is wider
_SLOT_BYTES = CELLS * 8 + NAMES_BYTES
_decode = msgspec.json.Decoder(tuple[str, ...]).decode


class Cells:
    """One slot, as its process writes it. Not thread-safe: for the event loop alone.

    `values[start_of(family, labels)]` is a value, or the sum of a histogram, which its counts follow.
    """

    def __init__(self, memory: "memoryview[int]") -> None:
        self.values = memory[: CELLS * 8].cast("d")
        self._names = memory[CELLS * 8 :]
        self._starts: dict[Key, int] = {}
        self._free = _FIRST
        for key, start in _named(self._names, 0, int(self.values[_NAMED]), _FIRST):
            self._starts[key] = start
            self._free = start + BY_NAME[key[0]].width
            if BY_NAME[key[0]].kind in GAUGES:
                self.values[start] = NOT_TOLD  # what is there is of the process that had this slot before

    def start_of(self, family: Family, *labels: str) -> int:
        """The first cell of a family with these labels; the caller may keep it."""
        key = (family.name, *labels)
        start = self._starts.get(key)
        return start if start is not None else self._allocate(family, key)

    def _allocate(self, family: Family, key: Key) -> int:
        line = msgspec.json.encode(key) + b"\n"
        named = int(self.values[_NAMED])
        start = self._free
        if start + family.width > CELLS - _SPARE or named + len(line) > NAMES_BYTES:
            log.error("there are more metrics than fit: %s and later ones are not counted", key)
            start = CELLS - _SPARE
        else:
            self._names[named : named + len(line)] = line
            if family.kind in GAUGES:
                self.values[start] = NOT_TOLD
            self.values[_NAMED] = named + len(line)  # after the name, which readers take up to here
            self._free = start + family.width
        self._starts[key] = start
        return start


@dataclass(slots=True)
class _Slot:
    """What a reader knows of a slot: its memory, and the names that it has read so far."""

    cells: "memoryview[float]"
    names: "memoryview[int]"
    read: int = 0  # bytes of names
    found: list[tuple[Key, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one slot holds. `pid` is 0 if its process has ended: its counters count on, its gauges don't."""

    pid: int
    values: "list[tuple[Key, memoryview[float]]]"


class Board:
    """All slots of a gateway, made before its processes are forked.

    A process that starts takes the first slot that nobody holds, and goes on from the counters it finds. Slots are held
    by locks on a file's bytes, which the system releases when the process ends.
    """

    def __init__(self, workers: int = 1) -> None:
        self.created_at = time.time()
        self._count = 2 * workers  # those that are being replaced may still run
        self._memory = memoryview(mmap.mmap(-1, self._count * _SLOT_BYTES))
        self._locks, path = tempfile.mkstemp(prefix="bandit-gateway-")
        os.unlink(path)
        self._reading = threading.Lock()
        self._slots = [_Slot(part[: CELLS * 8].cast("d"), part[CELLS * 8 :]) for part in self._parts()]

    def open(self) -> Cells:
        """Take a slot, for the life of this process."""
        for slot, part in enumerate(self._parts()):
            if self._lock(slot):
                cells = Cells(part)
                cells.values[_PID] = os.getpid()
                return cells
        raise RuntimeError("there are more processes than slots of metrics")

    def read(self) -> list[Reading]:
        """What every slot holds now. Thread-safe."""
        with self._reading:
            return [self._read(slot) for slot in self._slots if slot.cells[_NAMED]]

    def _read(self, slot: _Slot) -> Reading:
        named = int(slot.cells[_NAMED])
        after = slot.found[-1][1] + BY_NAME[slot.found[-1][0][0]].width if slot.found else _FIRST
        slot.found += _named(slot.names, slot.read, named, after)
        slot.read = named
        pid = int(slot.cells[_PID])
        return Reading(
            pid if _runs(pid) else 0,
            [(key, slot.cells[start : start + BY_NAME[key[0]].width]) for key, start in slot.found],
        )

    def close(self) -> None:
        """Give this process's slot back."""
        os.close(self._locks)

    def _lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except OSError:
            return False
        return True

    def _parts(self) -> "Iterator[memoryview[int]]":
        for slot in range(self._count):
            yield self._memory[slot * _SLOT_BYTES : (slot + 1) * _SLOT_BYTES]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _named(names: "memoryview[int]", begin: int, end: int, start: int) -> Iterator[tuple[Key, int]]:
    """The keys in these bytes of names, each with its first cell; the first one begins at `start`."""
    for line in bytes(names[begin:end]).splitlines():
        key = _decode(line)
        yield key, start
        start += BY_NAME[key[0]].width
