"""The watchdog's time limits against those of the database server."""

from storage.database import postgresql, watchdog


def test_a_server_tells_of_a_lock_before_it_is_left_for_hanging_and_frees_one_that_is_held_by_a_frozen_process() -> (
    None
):
    assert postgresql.LOCK_SECONDS < watchdog.HANGING_SECONDS < postgresql.FROZEN_SECONDS
