"""Questions of a study: arm against arm, drugs in words, regions within subjects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from senoscore import names as k
from senoscore.errors import ConfigError
from senoscore.io import read_tsv, write_tsv
from senoscore.run.log import logged
from senoscore.run.summary import TEXT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = ["arms", "asked", "check_questions", "regions"]

_FLOATS: Final = "%.8g"


def asked(samples: pd.DataFrame, config: Mapping[str, Any]) -> list[str]:
    """Tables of questions that the sheet or the config asks for; none of most studies."""
    from senoscore.questions import asks_of_arms, asks_of_regions

    tables = ["arms", "efficacy", "efficacy_sides"] if asks_of_arms(
        samples, config["contrasts"]
    ) else []  # fmt: skip
    return [*tables, *(["regions"] if asks_of_regions(samples) else [])]


def check_questions(config: Mapping[str, Any], samples: pd.DataFrame) -> list[str]:
    """Check named pairs, rules and margins before any work; say what will be asked.

    Raises
    ------
    ConfigError
        A pair names no arm or several, or the rules or a margin cannot be used.
    """
    from senoscore.questions import QUESTIONS, check_contrasts, load_words

    check_contrasts(config["contrasts"], samples)
    rules = config["efficacy"]["rules"]
    load_words(Path(rules) if rules else None)
    margins = [config["efficacy"][name] for name in ("margin", "relevant")]
    if None not in margins and margins[0] > margins[1]:
        msg = f"efficacy.margin {margins[0]:g} is larger than efficacy.relevant {margins[1]:g}"
        raise ConfigError(msg, fix="a change that must not be missed cannot count as none")
    _check_primary(config["efficacy"]["primary"], samples)
    tables = asked(samples, config)
    lines = []
    if "arms" in tables:
        lines.append(f"arms are compared: {', '.join(QUESTIONS).replace('_', ' ')} where there are")
    if "regions" in tables:
        lines.append("regions are compared within subjects")
    return lines


def _check_primary(primary: Mapping[str, Sequence[str]], samples: pd.DataFrame) -> None:
    """Check that the study has the drugs that it was made to answer."""
    given = samples[k.DRUG].dropna() if k.DRUG in samples else pd.Series(dtype=str)
    drugs = sorted(set(map(str, given)) - {""})
    for drug, where in primary.items():
        if drug not in drugs:
            msg = f"efficacy.primary names the drug {drug!r}, and no sample has it"
            raise ConfigError(msg, fix=f"drugs: {', '.join(drugs) or 'none in the samples sheet'}")
        if not where:
            msg = f"efficacy.primary names no compartment for {drug!r}"
            raise ConfigError(msg, fix=f"write {drug}: [fibroblast]")


def _further(pseudobulk: Path | None, values: Sequence[Path] = ()) -> pd.DataFrame | None:
    """Scores of pseudobulk profiles, and other values of samples as they are; None without any."""
    from senoscore.questions import FURTHER_COLUMNS, from_pseudobulk

    columns = list(FURTHER_COLUMNS)
    parts = [read_tsv(path, columns=columns, dtype=TEXT_COLUMNS) for path in values]
    if pseudobulk is not None:
        parts.append(from_pseudobulk(read_tsv(pseudobulk, dtype=TEXT_COLUMNS)))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else None


@logged
def arms(
    config: Mapping[str, Any],
    *,
    burden: Path,
    out: Path,
    efficacy_out: Path,
    sides_out: Path,
    pseudobulk: Path | None = None,
    values: Sequence[Path] = (),
) -> None:
    """Write arms against each other, what drugs did in words, and both sides beside each other.

    ``pseudobulk``: scores of pseudobulk profiles, compared in the same way; ``values``: tables of
    further values of samples, such as targets and crosstalk.
    """
    from senoscore.questions import arms as run
    from senoscore.questions import efficacy, side_by_side

    tests, words = config["trend"], dict(config["efficacy"])
    rules, primary = words.pop("rules"), words.pop("primary")
    rules = Path(rules) if rules else None
    found = run(
        read_tsv(burden, dtype=TEXT_COLUMNS), contrasts=config["contrasts"],
        further=_further(pseudobulk, values), control=config["control_treatment"],
        alpha=tests["alpha"], transform=tests["transform"], primary=primary,
    )  # fmt: skip
    said = efficacy(found, rules=rules, fdr=tests["fdr"], alpha=tests["alpha"], **words)
    write_tsv(found, out, float_format=_FLOATS)
    write_tsv(said, efficacy_out, float_format=_FLOATS)
    write_tsv(side_by_side(said, rules=rules), sides_out, float_format=_FLOATS)


@logged
def regions(
    config: Mapping[str, Any],
    *,
    burden: Path,
    out: Path,
    pseudobulk: Path | None = None,
    values: Sequence[Path] = (),
) -> None:
    """Write regions of the same subjects against each other; options as of :func:`arms`."""
    from senoscore.questions import regions as run

    tests = config["trend"]
    found = run(
        read_tsv(burden, dtype=TEXT_COLUMNS), further=_further(pseudobulk, values),
        control=config["control_treatment"], alpha=tests["alpha"], transform=tests["transform"],
    )  # fmt: skip
    write_tsv(found, out, float_format=_FLOATS)
