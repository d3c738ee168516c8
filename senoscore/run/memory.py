"""Memory that a process of a run has freed, and takes again a block of cells later."""

from __future__ import annotations

import ctypes
import platform

__all__ = ["keep_freed_memory"]

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_KEPT = 1 << 29  # bytes


def keep_freed_memory() -> None:
    """Have freed arrays used again, not handed back to the system and cleared by it anew.

    Stages work block by block, and by default glibc gives the arrays of each block back as soon as
    they are freed: the next block then waited for fresh pages, a tenth of the CPU time of a job.
    One pool serves all threads, or what the reader frees would not serve the others. Elsewhere
    than on glibc nothing is changed.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_ARENA_MAX, 1)
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, _KEPT)
