"""Freed memory is used again by the process that freed it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PAGES = """
import resource
import numpy as np
from senoscore.run import keep_freed_memory

{first}
for n in range(40):  # as blocks of cells do
    if n == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(48_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_taken(first: str) -> int:
    command = [sys.executable, "-c", PAGES.format(first=first)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a switch of glibc")
def test_freed_arrays_are_not_taken_anew_from_the_system() -> None:
    anew = pages_taken("")
    assert anew > 20 * 48_000_000 / 2**21  # at least one a huge page
    assert pages_taken("keep_freed_memory()") < anew / 10
