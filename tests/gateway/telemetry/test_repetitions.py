"""What repeats is told a few times in each window, then as a number."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.repetitions import AT_ONCE, MOST_SUBJECTS, WINDOW_SECONDS, Repetitions


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 3.0)), max_size=200))
def test_everything_is_either_told_or_counted_and_no_ten_seconds_tell_more_than_two_windows(
    events: list[tuple[str, float]],
) -> None:
    repetitions, now, told, counted = Repetitions(), 0.0, 0, 0
    times: dict[str, list[float]] = {}
    for subject, wait in events:
        now += wait
        counted += sum(count for _, count in repetitions.ended(now))
        if repetitions.allow((subject,), now):
            told += 1
            times.setdefault(subject, []).append(now)
    counted += sum(count for _, count in repetitions.ended(now + WINDOW_SECONDS))
    assert told + counted == len(events)
    for each in times.values():
        assert all(sum(at <= other < at + WINDOW_SECONDS for other in each) <= 2 * AT_ONCE for at in each)


def test_many_subjects_take_bounded_memory_and_count_as_one_beyond() -> None:
    repetitions = Repetitions()
    allowed = sum(repetitions.allow((str(number),), 0.0) for number in range(3 * MOST_SUBJECTS))
    assert allowed == MOST_SUBJECTS + AT_ONCE
    assert list(repetitions.ended(WINDOW_SECONDS)) == [(("others",), 2 * MOST_SUBJECTS - AT_ONCE)]
