"""What equals a known head is a request with its body, and nothing else is."""

import pytest

from gateway.asgi import Head
from gateway.serving.known_head import LARGEST_BODY, LARGEST_HEAD, KnownHead, KnownHeads

LINE = b"POST /rtr_a/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
LAST = LINE + b"content-length: %d\r\n\r\n%s"
AMID = LINE + b"content-length: %d\r\naccept: */*\r\n\r\n%s"


def known(form: bytes) -> KnownHead:
    found = KnownHeads().add(form % (2, b"{}"), "rtr_a", Head({}))
    assert found is not None
    return found


@pytest.mark.parametrize("form", [LAST, AMID])
def test_a_request_with_the_head_is_known_and_how_much_of_its_body_is_missing(form: bytes) -> None:
    head = known(form)
    assert head.body_of(form % (2, b"[]")) == (b"[]", 0)
    assert head.body_of(form % (10, b"{")) == (b"{", 9)
    assert head.body_of(form % (4, b"\r\n\r\n")) == (b"\r\n\r\n", 0)
    assert head.body_of(form % (2, b"{}more")) is None
    assert head.body_of(form % (LARGEST_BODY + 1, b"")) is None


@pytest.mark.parametrize("form", [LAST, AMID])
def test_what_lacks_any_part_of_the_head_is_another_request(form: bytes) -> None:
    head, whole = known(form), form % (2, b"{}")
    end = len(whole) - 2
    for start in range(1, end):
        assert head.body_of(whole[start:]) is None, whole[start:]
        assert head.body_of(whole[:start]) is None, whole[:start]
        assert head.body_of(whole[:start] + b"?" + whole[start + 1 :]) is None, start
    assert head.body_of(b"0\r\n\r\n") is None


@pytest.mark.parametrize("form", [LAST, AMID])
def test_a_head_is_found_by_all_of_its_bytes_but_the_digits_of_its_length(form: bytes) -> None:
    heads, whole = KnownHeads(), form % (2, b"{}")
    added = heads.add(whole, "rtr_a", Head({}))
    assert added is not None
    assert heads.find(form % (12_345, b"")) is added
    size = len(whole) - 2
    digit = whole.index(b": 2") + 2
    for place in range(size):
        if place != digit:
            assert heads.find(whole[:place] + b"?" + whole[place + 1 :]) is None, place
        assert heads.find(whole[:place]) is None
        assert place == 0 or heads.find(whole[place:]) is None


def test_a_request_that_may_be_more_or_less_is_not_kept() -> None:
    heads = KnownHeads()
    for data in (LAST % (2, b"{}more"), (LAST % (2, b""))[:-1], LINE + b"\r\n", b"", LAST % (LARGEST_BODY + 1, b"")):
        assert heads.add(data, "rtr_a", Head({})) is None
        assert heads.find(data) is None


def test_heads_are_bounded_in_size_and_number() -> None:
    heads, form = KnownHeads(most=3), LINE + b"x-a: %s\r\ncontent-length: 2\r\n\r\n{}"
    assert heads.add(form % (LARGEST_HEAD * b"x"), "rtr_a", Head({})) is None
    kept = [heads.add(form % b"%d" % number, "rtr_a", Head({})) for number in range(5)]
    assert [heads.find(form % b"%d" % number) for number in range(5)] == [None, None, *kept[2:]]
