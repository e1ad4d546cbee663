"""Freed memory is kept for the next large body."""

import platform
import subprocess
import sys

import pytest

from gateway.serving.allocator import MAPPED_BYTES

PROGRAM = f"""
import resource
from gateway.serving.allocator import keep_freed_memory

def faults(size, rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        parts = [b"x" * size for _ in range(6)]
        del parts
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults(1_000_000, 50)
keep_freed_memory()
faults(8_000_000, 1)
print(usual, faults(1_000_000, 50), faults(8_000_000, 5), faults({MAPPED_BYTES + 1}, 1))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the system's malloc is not glibc's")
def test_a_second_large_body_takes_no_new_pages() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    usual, *kept, mapped = map(int, done.stdout.split())
    assert max(kept) < usual / 10
    assert max(kept) < mapped / 10, "what is larger is given back"
