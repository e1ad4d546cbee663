"""Chunks of HTTP's chunked coding in their usual form, which are taken without the parser."""

import re
from typing import Protocol

_SIZE = re.compile(rb"([1-9A-Fa-f][0-9A-Fa-f]{0,6})\r\n")


class Shortcut(Protocol):
    """Takes parts of a body where they are received, so that nobody has to be woken for them.

    `deadline`: when the next bytes must have been received, on the event loop's clock.
    """

    deadline: float

    def take(self, body: bytes) -> bool:
        """Take this part of the body; False: it is to be read."""
        ...


def transfer_codings(value: bytes) -> list[bytes]:
    """The codings of a `Transfer-Encoding` header, without `identity`."""
    return [name for coding in value.split(b",") if (name := coding.strip().lower()) not in {b"", b"identity"}]


def whole_chunks(data: bytes) -> tuple[bytes, int]:
    """The content of the whole chunks that `data` begins with, and where they end.

    A chunk of another form ends them: with zeros before its size, with an extension, the last one, what is none at all.
    """
    end = data.find(b"\r\n")
    size = len(data) - end - 4
    if size > 0 and end > 0 and data[:end].lower() == b"%x" % size and data.endswith(b"\r\n"):
        return data[end + 2 : -2], len(data)  # one read is one chunk: nearly always
    parts: list[bytes] = []
    read = 0
    while (found := _SIZE.match(data, read)) is not None:
        begin = found.end()
        end = begin + int(found[1], 16)
        if data[end : end + 2] != b"\r\n":
            break
        parts.append(data[begin:end])
        read = end + 2
    return b"".join(parts), read
