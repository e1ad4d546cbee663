"""Bounds how often the same thing is told: the first few times at once, then as a number."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Subject: TypeAlias = tuple[str, ...]
"""What is told: two of one subject say the same."""

WINDOW_SECONDS = 10.0
AT_ONCE = 10
"""How often a subject is told in each window."""
MOST_SUBJECTS = 1_000
"""Subjects beyond these count as one."""
_OTHERS: Subject = ("others",)


@dataclass(slots=True)
class _Window:
    """What was told and suppressed of one subject since `began`."""

    began: float
    told: int = 0
    suppressed: int = 0


class Repetitions:
    """Windows of all subjects, each of which is told `at_once` times. Thread-safe; `now` is on a monotonic clock."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._windows: dict[Subject, _Window] = {}
        self._lock = threading.Lock()

    def allow(self, subject: Subject, now: float) -> bool:
        """Whether to tell this now; if not, it is counted."""
        with self._lock:
            if subject not in self._windows and len(self._windows) >= MOST_SUBJECTS:
                subject = _OTHERS
            window = self._windows.setdefault(subject, _Window(now))
            if now - window.began >= WINDOW_SECONDS and not window.suppressed:
                window.began, window.told = now, 0
            if window.told < self._at_once:
                window.told += 1
                return True
            window.suppressed += 1
            return False

    def ended(self, now: float) -> Iterator[tuple[Subject, int]]:
        """Subjects whose window has ended, with how many were suppressed in it; each is told once."""
        with self._lock:
            ended = [each for each, window in self._windows.items() if now - window.began >= WINDOW_SECONDS]
            windows = [(subject, self._windows.pop(subject).suppressed) for subject in ended]
        return ((subject, suppressed) for subject, suppressed in windows if suppressed)
