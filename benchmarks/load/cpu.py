"""What a process and its children take: CPU seconds, resident memory; and the cores that they may use."""

import os
from collections.abc import Iterable

import psutil


def families(pids: Iterable[int]) -> list[psutil.Process]:
    """The processes and all their descendants that live now."""
    found: list[psutil.Process] = []
    for pid in pids:
        process = psutil.Process(pid)
        found += [process, *process.children(recursive=True)]
    return found


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system CPU seconds of the processes, since each began; in steps of 10 ms."""
    times = [process.cpu_times() for process in processes]
    return float(sum(each.user + each.system for each in times))


def resident_mb(pids: Iterable[int]) -> float:
    """Resident memory of the processes and their descendants, in MB (10⁶ bytes)."""
    return float(sum(process.memory_info().rss for process in families(pids))) / 1e6


def can_pin() -> bool:
    """Whether processes can be kept on a core here, and there are two."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) >= 2


def pin(pid: int, core: int) -> None:
    """Keep a process on the `core`-th of the cores that we may use; does nothing where that can't be done."""
    if can_pin():
        os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(0))[core]})


def listening(port: int) -> list[int]:
    """The process that listens on a TCP port, as far as we may see it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return []
    found = {c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid}
    return sorted(found)[:1]
