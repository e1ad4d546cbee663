"""What can go wrong below HTTP's own statuses."""

from enum import StrEnum


class Fault(StrEnum):
    """The kinds of failures of a transport."""

    REFUSED = "refused"  # no connection came about: nothing was sent
    TLS = "tls"  # the provider's certificate or handshake is not to be trusted
    LOST = "lost"  # the connection broke
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    GARBLED = "garbled"  # not HTTP, or a body that can't be unpacked


class TransportError(Exception):
    """No whole response. `before_any_byte`: the provider had said nothing yet, not even a status."""

    def __init__(self, fault: Fault, message: str, *, before_any_byte: bool = False) -> None:
        super().__init__(message)
        self.fault = fault
        self.before_any_byte = before_any_byte
