"""What was measured of the subjects beside the matrix: blood, other measurements, outcome."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from senoscore import names as k
from senoscore.errors import ConfigError
from senoscore.io import read_tsv, write_tsv
from senoscore.run.log import logged
from senoscore.run.summary import TEXT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd


__all__ = ["blood", "check_measured", "external", "outcome"]

log = logging.getLogger(__name__)

_FLOATS: Final = "%.8g"


def check_measured(config: Mapping[str, Any], samples: pd.DataFrame) -> list[str]:
    """Read the tables that the config names before any work; say what is in them."""
    from senoscore.questions import read_external, read_outcome

    lines = []
    if config["external"]:
        table = read_external(config["external"], samples)
        lines.append(f"external: {table['measure'].nunique()} measures of {len(table)} values")
    if config["outcome"]["table"]:
        table = read_outcome(config["outcome"]["table"], samples)
        n = table["endpoint"].nunique(), table[k.SUBJECT].nunique()
        lines.append(f"outcome: {n[0]} endpoints of {n[1]} subjects")
    return lines


@logged
def blood(
    samples: Path,
    config: Mapping[str, Any],
    *,
    plasma: Path | None,
    burden: Path | None,
    out: Path,
    changes_out: Path,
) -> None:
    """Write the tests of circulating factors, and the change of each subject that they are of.

    Beside the tissue where there is a burden table.
    """
    from senoscore.biology import read_plasma
    from senoscore.questions import blood as run
    from senoscore.questions import blood_changes
    from senoscore.study import read_samples

    file = plasma or config["plasma"]
    if not file:
        msg = "no table of circulating factors is given"
        raise ConfigError(msg, fix="name it with --plasma, or in the config (plasma)")
    sheet, control = read_samples(samples), config["control_treatment"]
    values = read_plasma(file, sheet)
    table = run(
        values, sheet, None if burden is None else read_tsv(burden, dtype=TEXT_COLUMNS),
        control=control, alpha=config["trend"]["alpha"],
    )  # fmt: skip
    write_tsv(blood_changes(values, sheet, control=control), changes_out, float_format=_FLOATS)
    write_tsv(table, out, float_format=_FLOATS)


@logged
def external(
    samples: Path, config: Mapping[str, Any], *, burden: Path, out: Path, pairs_out: Path
) -> None:
    """Write tests of measurements from elsewhere against the burden, and the pairs of both."""
    from senoscore.questions import external as run
    from senoscore.questions import external_pairs, read_external
    from senoscore.study import read_samples

    sheet, file, control = read_samples(samples), config["external"], config["control_treatment"]
    both = (
        read_tsv(burden, dtype=TEXT_COLUMNS), sheet, read_external(file, sheet) if file else None
    )  # fmt: skip
    table = run(*both, control=control, alpha=config["trend"]["alpha"])
    write_tsv(external_pairs(*both, control=control), pairs_out, float_format=_FLOATS)
    write_tsv(table, out, float_format=_FLOATS)


@logged
def outcome(
    samples: Path, config: Mapping[str, Any], *, burden: Path, out: Path, subjects_out: Path
) -> None:
    """Write associations of burden, SASP and index at the landmark with outcomes after it.

    And the subjects that they are of.
    """
    from senoscore.questions import outcome as run
    from senoscore.questions import outcome_subjects, read_outcome
    from senoscore.study import read_samples

    options, tests = config["outcome"], config["trend"]
    if not options["table"]:
        msg = "the config names no table of outcomes (outcome.table)"
        raise ConfigError(msg, fix="name it, and outcome.landmark_days")
    both = (
        read_tsv(burden, dtype=TEXT_COLUMNS), read_outcome(options["table"], read_samples(samples))
    )  # fmt: skip
    asked = {"landmark_days": options["landmark_days"], "control": config["control_treatment"]}
    table = run(
        *both, **asked, min_events=options["min_events"], alpha=tests["alpha"],
        transform=tests["transform"],
    )  # fmt: skip
    if table.empty:
        log.warning("no irradiated subject of the burden table has an outcome")
    write_tsv(outcome_subjects(*both, **asked), subjects_out, float_format=_FLOATS)
    write_tsv(table, out, float_format=_FLOATS)
