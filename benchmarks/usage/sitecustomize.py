"""Put on the path of Python, this writes what each process took to the file SENOSCORE_USAGE.

CPU seconds (user, system), largest memory in kB, and the words of the command. Snakemake's own
benchmark files ask a process every now and then what it has used, and miss what it used since.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import sys
import time

_BEGAN = time.monotonic()


def _write(path: str) -> None:
    own = resource.getrusage(resource.RUSAGE_SELF)
    line = {
        "user": own.ru_utime, "system": own.ru_stime, "kb": own.ru_maxrss,
        "wall": time.monotonic() - _BEGAN, "words": sys.argv[:16],
    }  # fmt: skip
    with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - early in the start of Python
        file.write(json.dumps(line) + "\n")


if "SENOSCORE_USAGE" in os.environ:
    atexit.register(_write, os.environ["SENOSCORE_USAGE"])
