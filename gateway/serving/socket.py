"""Binds the listening sockets, before anything else is opened: if an address is taken, nothing has been changed."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.settings.listening import Address, Listening, TcpAddress

BACKLOG = 2_048
UNIX_MODE = 0o660
"""Who may connect to a Unix socket: its owner and its group, such as that of a reverse proxy."""


class ServerError(Exception):
    """The server can't run; the message is one line with the remedy."""


@contextlib.contextmanager
def bound(addresses: Sequence[Address]) -> Iterator[list[socket.socket]]:
    """Yield a listening socket per address; closed with the context, and the files of Unix sockets removed.

    Raises ServerError.
    """
    with contextlib.ExitStack() as opened:
        listeners: list[socket.socket] = []
        for address in addresses:
            listener = bind(address, alone=_is_alone(address, addresses))
            opened.callback(_close, listener, address)
            listeners.append(listener)
        yield listeners


def bind(address: Address, *, alone: bool = True) -> socket.socket:
    """Return a listening socket. Port 0 takes a free one. Raises ServerError.

    With `alone` an IPv6 address that stands for all of the machine's takes IPv4 too, as the system would have it.
    """
    if not isinstance(address, TcpAddress):
        return _bind_unix(Path(address.path))
    host, port = address.host, address.port
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ServerError(f"can't listen on {host!r}: no such host ({error}); use an address of this machine") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not alone:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServerError(_why_not(str(address), error)) from None
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket, listening: Listening) -> str:
    """The URL at which this machine reaches the socket."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"{'https' if listening.tls else 'http'}://{TcpAddress(host, port)}{listening.root_path}"


def _is_alone(address: Address, addresses: Sequence[Address]) -> bool:
    """Whether no other address has the same port."""
    ports = [each.port for each in addresses if isinstance(each, TcpAddress)]
    return not isinstance(address, TcpAddress) or ports.count(address.port) == 1


def _bind_unix(path: Path) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(UNIX_MODE)  # before `listen`: until then nobody can connect
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = f"{error.strerror}): its folder must exist, and this user must be allowed to write there"
        raise ServerError(f"can't listen on unix:{path} ({why}") from None
    listener.setblocking(False)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket file of a server that did not end by itself. Raises ServerError if it is anything else."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ServerError(f"can't listen on unix:{path}: there is a file which is no socket; choose another path")
    except OSError:
        return  # there is none, or binding says what is wrong
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except OSError:
            return
        else:
            raise ServerError(f"unix:{path} is in use: stop what listens there, or choose another path")


def _close(listener: socket.socket, address: Address) -> None:
    listener.close()
    if not isinstance(address, TcpAddress):
        with contextlib.suppress(OSError):
            os.unlink(address.path)


def _why_not(place: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{place} is in use: stop what listens there, or choose another port with --port"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{place} may not be used by this user: choose a port above 1023 with --port"
    return f"can't listen on {place} ({error.strerror}): use an address of this machine, such as 127.0.0.1"
