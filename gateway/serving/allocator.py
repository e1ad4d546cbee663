"""Keeps freed memory for the next large body (docs/adr/0042-freed-memory-is-kept.md)."""

import contextlib
import ctypes

MAPPED_BYTES = 32 * 1024 * 1024
"""Larger blocks are mapped, and given back to the system when they are freed: the most that glibc allows."""

KEPT_BYTES = 2 * MAPPED_BYTES
"""Free memory at the end of the heap that is kept: a body is in it about seven times."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


def keep_freed_memory() -> None:
    """Set the thresholds of glibc's malloc to what they grow to; other libraries' are left as they are.

    They begin low, and grow with each mapped block that is freed, to its size and twice that. Until one was much larger
    than a body, each body's memory is given back, and the next takes it page by page: for a megabyte 600 page faults.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # musl's and macOS's have no such function
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
