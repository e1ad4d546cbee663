"""Errors below HTTP's status codes: `TransportError`, told apart by its `Fault`."""

from enum import StrEnum


class Fault(StrEnum):
    """Why there is no complete response."""

    REFUSED = "refused"  # no connection: nothing was sent
    TLS = "tls"  # the handshake failed, or the certificate was not accepted
    LOST = "lost"  # the connection closed before the response was complete
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    GARBLED = "garbled"  # not HTTP, or a body that can't be decompressed


class TransportError(Exception):
    """No complete response. `before_any_byte`: not even a byte of the status line had been received."""

    def __init__(self, fault: Fault, message: str, *, before_any_byte: bool = False) -> None:
        super().__init__(message)
        self.fault = fault
        self.before_any_byte = before_any_byte
