"""All bad and odd inputs, by name; run as a script it writes them for a look.

``python -m tests.bad_inputs.make_cases FOLDER`` makes a folder a case.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bad_inputs import (
    cases_10x,
    cases_h5ad,
    cases_sheets,
    cases_signatures,
    cases_stores,
    cases_tables,
)
from tests.bad_inputs.study import Case, write_good

__all__ = ["BAD", "make"]

BAD: list[Case] = [
    *cases_h5ad.CASES,
    *cases_stores.CASES,
    *cases_10x.CASES,
    *cases_tables.CASES,
    *cases_sheets.CASES,
    *cases_signatures.CASES,
]


def make(case: Case, folder: Path) -> None:
    """A good study in ``folder``, spoilt as the case says."""
    write_good(folder)
    case.build(folder)


if __name__ == "__main__":
    for bad in BAD:
        make(bad, Path(sys.argv[1]) / bad.name)
