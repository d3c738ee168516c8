"""What is checked before any work, and runs without cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from senoscore._crosstalk import crosstalk
from senoscore._crosstalk_expression import BY
from senoscore._window_targets import targets
from senoscore.config import validate_config
from senoscore.errors import ConfigError, SheetError
from senoscore.stages.biology import check_settings

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = pd.DataFrame(
    {
        "sample": ["a", "b"],
        "subject": ["p", ""],
        "treatment": ["irradiated", "control"],
        "dose_gy": [60.0, 0.0],
        "n_fractions": [30.0, float("nan")],
        "days_post_rt": [-3.0, 0.0],
        "batch": "",
    }
)
EMPTY = pd.DataFrame(columns=[*BY, "n_cells", "gene", "mean", "detected"])


def checked(**sections: object) -> list[str]:
    return check_settings(validate_config(dict(sections), source="test"), SAMPLES)


def test_clock_and_plasma_are_told(tmp_path: Path) -> None:
    path = tmp_path / "plasma.tsv"
    path.write_text("subject\ttime\ttime_unit\tanalyte\tvalue\tunit\np\t0\td\tIL-6\t2\tpg/mL\n")
    lines = checked(plasma=str(path))
    assert lines[0] == "note: Days count from the last fraction."
    assert "a: day < 0 after several fractions" in lines[1]
    assert lines[-1] == "plasma: 1 analytes of 1 subjects"
    path.write_text(path.read_text().replace("p\t0", "q\t0"))
    with pytest.raises(SheetError, match="'q' is not in the samples sheet"):
        checked(plasma=str(path))


def test_a_missing_rules_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        checked(window={"rules": str(tmp_path / "none.yaml")})


def test_profiles_have_no_groups_of_cells_and_say_so() -> None:
    assert targets(EMPTY, SAMPLES).empty
    found = crosstalk(EMPTY, SAMPLES)
    assert set(found["status"]) == {"not_estimable"}
    assert found["reason"].str.contains("cells in this run").all()
