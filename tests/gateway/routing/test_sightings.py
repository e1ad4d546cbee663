"""A call site is a class once it recurs in conversations of its own; prompts that never come again are forgotten."""

from gateway.routing.sightings import ENOUGH, MOST_KEYS, MOST_SITES, Sighting, Sightings


def see(
    sightings: Sightings, site: str, messages: int = 2, built_in: str = "code", key_id: str = "key_a"
) -> str | None:
    return sightings.add(site, Sighting(key_id, messages, built_in))


def count(sightings: Sightings) -> int:
    return sum(map(len, sightings._by_key.values()))


def test_a_call_site_that_begins_three_conversations_recurs() -> None:
    sightings = Sightings()
    assert [see(sightings, "site:1") for _ in range(ENOUGH)] == [None, None, "code"]


def test_the_turns_of_one_conversation_are_one() -> None:
    sightings = Sightings()
    assert [see(sightings, "site:1", messages) for messages in (2, 4, 6, 8, 10)] == [None] * 5
    assert [see(sightings, "site:1"), see(sightings, "site:1")] == [None, "code"]


def test_a_conversation_that_is_met_in_its_middle_is_no_measure_of_later_ones() -> None:
    sightings = Sightings()
    assert [see(sightings, "site:1", messages) for messages in (9, 11, 2, 4, 2)] == [None, None, None, None, "code"]


def test_its_class_is_that_of_most_of_its_requests() -> None:
    sightings = Sightings()
    assert [see(sightings, "site:1", built_in=task) for task in ("math", "code", "code")][-1] == "code"


def test_ten_thousand_prompts_of_one_key_push_out_nobody_elses_and_take_no_memory() -> None:
    sightings = Sightings()
    for key_id in ("key_a", "key_b"):
        assert see(sightings, "site:1", key_id=key_id) is None
        assert see(sightings, "site:1", key_id=key_id) is None
    assert not any(see(sightings, f"site:random {number}", key_id="key_b") for number in range(10_000))
    assert see(sightings, "site:1", key_id="key_a") == "code"
    assert see(sightings, "site:1", key_id="key_b") is None, "pushed out by its own key"
    assert count(sightings) == 1 + MOST_SITES


def test_keys_that_were_not_used_lately_are_forgotten() -> None:
    sightings = Sightings()
    for number in range(10 * MOST_KEYS):
        see(sightings, "site:1", key_id=f"key_{number}")
    assert count(sightings) == MOST_KEYS
