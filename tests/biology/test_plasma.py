"""Circulating factors: values below the limit, baselines, and tables that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from senoscore.biology.plasma import plasma, read_plasma
from senoscore.errors import SheetError

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = pd.DataFrame({"sample": ["a", "b", "c"], "subject": ["p1", "p2", ""]})
HEAD = "subject\ttime\ttime_unit\tanalyte\tvalue\tunit\tlod\n"


def written(folder: Path, *rows: str, head: str = HEAD) -> Path:
    path = folder / "plasma.tsv"
    path.write_text(head + "".join(row.replace(" ", "\t") + "\n" for row in rows))
    return path


def test_ratios_to_the_own_baseline(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "p1 0 d IL-6 2 pg/mL 1",
        "p1 1 w IL-6 8 pg/mL 1",
        "p2 0 d IL-6 4 pg/mL 1",
        "p2 7 d IL-6 <LOD pg/mL 1",
        "c 7 d IL-6 9 pg/mL 1",
    )
    found = plasma(read_plasma(path, SAMPLES)).set_index(["subject", "days_post_rt"])
    assert found.loc[("p1", 7.0), "log2_ratio"] == pytest.approx(2.0)
    below = found.loc[("p2", 7.0)]
    assert bool(below["below_lod"])
    assert below["value_used"] == pytest.approx(1 / np.sqrt(2))
    assert below["log2_ratio"] == pytest.approx(np.log2(1 / np.sqrt(2) / 4))
    assert "LOD/sqrt(2)" in below["note"]
    assert found["fraction_below_lod"].unique() == pytest.approx([0.2])
    assert found.loc[("c", 7.0), "status"] == "no_baseline"
    assert np.isnan(found.loc[("c", 7.0), "log2_ratio"])


def test_mostly_below_the_limit_gives_a_rate_and_no_ratio(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "p1 0 d PAI-1 <0.5 ng/mL ",
        "p1 7 d PAI-1 <0.5 ng/mL ",
        "p1 9 d PAI-1 3 ng/mL ",
    )
    found = plasma(read_plasma(path, SAMPLES))
    assert set(found["status"]) == {"detection_rate_only"}
    assert found["log2_ratio"].isna().all()
    assert found["fraction_below_lod"].iloc[0] == pytest.approx(2 / 3)
    assert found["lod"].iloc[0] == 0.5


def test_half_below_the_limit_still_has_a_ratio(tmp_path: Path) -> None:
    path = written(tmp_path, "p1 0 d X <LOD U 2", "p1 7 d X 4 U 2")
    assert plasma(read_plasma(path, SAMPLES))["log2_ratio"].notna().all()


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        (["p9 0 d X 1 U 1"], "subject 'p9' is not in the samples sheet"),
        (["p1 0 d X 1 U 1", "p2 0 d X 1 V 1"], "units 'U', 'V'"),
        (["p1 0 d X <LOD U "], "lod is empty"),
        (["p1 0 d X 0 U "], "value is 0 and lod is empty"),
        (["p1 0 d X high U 1"], "value is 'high'"),
        (["p1 0 d X -3 U 1"], "below 0"),
        (["p1 soon d X 1 U 1"], "time is 'soon'"),
        (["p1 0 year X 1 U 1"], "time_unit is 'year'"),
        (["p1 7 d X 1 U 1", "p1 1 w X 2 U 1"], "duplicated"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, rows: list[str], word: str) -> None:
    with pytest.raises(SheetError, match=word):
        read_plasma(written(tmp_path, *rows), SAMPLES)


def test_missing_column_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SheetError, match="no column 'unit'"):
        read_plasma(written(tmp_path, head="subject\ttime\ttime_unit\tanalyte\tvalue\n"), SAMPLES)
    with pytest.raises(SheetError, match="cannot be read"):
        read_plasma(tmp_path / "none.tsv", SAMPLES)
