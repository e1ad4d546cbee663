"""An address that can't be listened on is told in one line, with the remedy."""

import os
import socket

import pytest

from gateway.serving.socket import ServerError, bind, url_of


def test_a_free_port_is_found_and_named() -> None:
    with bind("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert url_of(listening) == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_a_port_in_use_is_one_line_with_the_remedy() -> None:
    with bind("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(ServerError, match=f"127.0.0.1:{port} is in use: .* --port"):
            bind("127.0.0.1", port)


def test_an_unknown_host_is_one_line_with_the_remedy() -> None:
    with pytest.raises(ServerError, match="no such host"):
        bind("no.such.host.invalid", 0)


def test_an_address_of_another_machine_is_one_line_with_the_remedy() -> None:
    with pytest.raises(ServerError, match="use an address of this machine"):
        bind("192.0.2.1", 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every port")
def test_a_privileged_port_is_one_line_with_the_remedy() -> None:
    with pytest.raises(ServerError, match="above 1023"):
        bind("127.0.0.1", 1)
