"""What equals a known head is a request with its body, and nothing else is."""

import pytest

from gateway.asgi import Head
from gateway.serving.known_head import LARGEST_BODY, KnownHead

LINE = b"POST /rtr_a/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
LAST = LINE + b"content-length: %d\r\n\r\n%s"
AMID = LINE + b"content-length: %d\r\naccept: */*\r\n\r\n%s"


def known(form: bytes) -> KnownHead:
    found = KnownHead.of(form % (2, b"{}"), "rtr_a", Head({}))
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
