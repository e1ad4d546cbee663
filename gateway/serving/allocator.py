"""Keeps freed memory for the next large body (docs/adr/0042-freed-memory-is-kept.md)."""

import contextlib
import ctypes

KEPT_BYTES = 16 * 1024 * 1024
"""Free memory at the end of the heap that is kept: a request of a megabyte is in it about seven times."""

MAPPED_BYTES = 4 * 1024 * 1024
"""Larger blocks are mapped, and given back to the system when they are freed."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


def keep_freed_memory() -> None:
    """Let glibc's malloc keep `KEPT_BYTES`; other libraries' is left as it is.

    It gives back what is free as soon as that is twice the largest block that was ever mapped. So a megabyte of a
    request is given back after each, and the next takes it page by page: 600 page faults while everybody waits.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # musl's and macOS's have no such function
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
