"""The analyst keeps off the processor while others want it."""

from gateway.analyst.pauses import PAUSE_SECONDS, Pauses


class _Thread:
    """The clocks of a thread: one runs, the other only while the thread does."""

    def __init__(self) -> None:
        self.now = self.worked = 0.0
        self.slept: list[float] = []
        self.pauses = Pauses(lambda: self.now, lambda: self.worked, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def work(self, seconds: float, interrupted_seconds: float = 0.0) -> None:
        self.now += seconds + interrupted_seconds
        self.worked += seconds
        self.pauses()


def test_it_pauses_once_after_a_step_in_which_it_was_interrupted() -> None:
    thread = _Thread()
    thread.work(1e-3)
    assert thread.slept == []
    thread.work(1e-3, interrupted_seconds=2e-4)
    assert thread.slept == [PAUSE_SECONDS]
    thread.work(1e-3)
    assert thread.slept == [PAUSE_SECONDS]


def test_the_wait_for_work_is_no_interruption() -> None:
    thread = _Thread()
    thread.now += 60.0
    thread.pauses.begin()
    thread.work(1e-3)
    assert thread.slept == []
