"""Large messages come and go: has the allocator give their memory back to the system."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
LARGE_BYTES = 1 << 20


def return_large_blocks() -> bool:
    """Whether blocks of a mebibyte and more are given back as soon as they are freed: with glibc.

    By itself glibc learns from the first large block that is freed to keep blocks of that size (up to 32 MiB)
    in the heap, where the smaller ones that lie behind hold them (mallopt(3), dynamic mmap threshold): after
    a few images at a time a process kept some hundred MiB more than it used.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))
