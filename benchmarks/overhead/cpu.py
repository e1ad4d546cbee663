"""CPU seconds and resident memory of a process and its children."""

from collections.abc import Iterable

import psutil


def families(pids: Iterable[int]) -> list[psutil.Process]:
    """The processes and all their living descendants."""
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


def listening(port: int) -> list[int]:
    """The process that listens on a TCP port, if we may see it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return []
    found = {c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port == port and c.pid}
    return sorted(found)[:1]
