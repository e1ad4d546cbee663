"""Binds the listening socket, before anything else is opened: if the port is taken, nothing has been changed."""

import errno
import socket

BACKLOG = 2_048


class ServerError(Exception):
    """The server can't run; the message is one line with the remedy."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Port 0 takes a free one. Raises ServerError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ServerError(f"can't listen on {host!r}: no such host ({error}); use an address of this machine") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServerError(_why_not(f"{host}:{port}", error)) from None
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL at which this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _why_not(place: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{place} is in use: stop what listens there, or choose another port with --port"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{place} may not be used by this user: choose a port above 1023 with --port"
    return f"can't listen on {place} ({error.strerror}): use an address of this machine, such as 127.0.0.1"
