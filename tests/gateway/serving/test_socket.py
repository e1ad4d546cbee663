"""The server's sockets: several addresses, Unix sockets; one that can't be had is told in one line, with the remedy."""

import os
import socket
import stat
from pathlib import Path

import pytest

from gateway.serving.socket import ServerError, bind, bound, url_of
from gateway.settings.listening import Listening, TcpAddress, UnixAddress

LOCAL = TcpAddress("127.0.0.1", 0)


def test_a_free_port_is_found_and_named() -> None:
    with bind(LOCAL) as listening:
        port = listening.getsockname()[1]
        assert url_of(listening, Listening()) == f"http://127.0.0.1:{port}"
        assert url_of(listening, Listening(root_path="/llm")) == f"http://127.0.0.1:{port}/llm"
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_a_port_in_use_is_one_line_with_the_remedy() -> None:
    with bind(LOCAL) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(ServerError, match=f"127.0.0.1:{port} is in use: .* --port"):
            bind(TcpAddress("127.0.0.1", port))


def test_an_unknown_host_is_one_line_with_the_remedy() -> None:
    with pytest.raises(ServerError, match="no such host"):
        bind(TcpAddress("no.such.host.invalid", 0))


def test_an_address_of_another_machine_is_one_line_with_the_remedy() -> None:
    with pytest.raises(ServerError, match="use an address of this machine"):
        bind(TcpAddress("192.0.2.1", 0))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every port")
def test_a_privileged_port_is_one_line_with_the_remedy() -> None:
    with pytest.raises(ServerError, match="above 1023"):
        bind(TcpAddress("127.0.0.1", 1))


def test_all_of_ipv4_and_all_of_ipv6_share_a_port() -> None:
    with bind(LOCAL) as taken:
        port = taken.getsockname()[1]
    with bound([TcpAddress("0.0.0.0", port), TcpAddress("::", port)]) as listeners:  # noqa: S104 - for a moment
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_STREAM) as client:
                client.connect((host, port))
        assert url_of(listeners[1], Listening()) == f"http://127.0.0.1:{port}"


def test_one_address_that_is_taken_leaves_none_bound() -> None:
    with bind(LOCAL) as taken, bind(LOCAL) as freed:
        one, other = taken.getsockname()[1], freed.getsockname()[1]
        freed.close()
        with pytest.raises(ServerError), bound([TcpAddress("127.0.0.1", other), TcpAddress("127.0.0.1", one)]):
            pass
        with bind(TcpAddress("127.0.0.1", other)):
            pass


class TestUnixSockets:
    def test_its_owner_and_group_may_connect_and_its_file_goes_with_it(self, tmp_path: Path) -> None:
        path = tmp_path / "gateway.sock"
        with bound([UnixAddress(str(path))]) as (listener,):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert url_of(listener, Listening()) == f"unix:{path}"
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
        assert not path.exists()

    def test_what_a_killed_server_left_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "gateway.sock"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        with bound([UnixAddress(str(path))]):
            pass

    def test_one_that_is_served_is_not_taken_away(self, tmp_path: Path) -> None:
        address = UnixAddress(str(tmp_path / "gateway.sock"))
        with bound([address]):
            with pytest.raises(ServerError, match="is in use"):
                bind(address)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(address.path)

    def test_a_file_that_is_no_socket_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "precious"
        path.write_text("data")
        with pytest.raises(ServerError, match="a file which is no socket"):
            bind(UnixAddress(str(path)))
        assert path.read_text() == "data"

    def test_a_folder_that_is_missing_is_one_line_with_the_remedy(self, tmp_path: Path) -> None:
        with pytest.raises(ServerError, match="its folder must exist"):
            bind(UnixAddress(str(tmp_path / "missing" / "gateway.sock")))
