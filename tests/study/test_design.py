"""The sheets: what is read, what is refused, what the design allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from senoscore.errors import SheetError
from senoscore.study.dose import bed, eqd2, to_days
from senoscore.study.sheets import (
    check_sheets,
    describe_design,
    dose_messages,
    read_datasets,
    read_samples,
)

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = (
    "sample\tsubject\ttreatment\tdose_gy\tn_fractions\ttime_post_rt\ttime_unit\talpha_beta\n"
    "a\tm1\tcontrol\t0\t\t\t\t\n"
    "b\tm2\tirradiated\t10\t5\t2\tw\t3\n"
    "c\tm3\tirradiated\t10\t5\t36\th\t3\n"
)


def sheet(tmp_path: Path, text: str | bytes, name: str = "sheet.tsv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# Total dose, fractions, alpha/beta, BED, EQD2 (Gy): worked by hand from the formula.
GOLDEN = [
    (60, 30, 10, 72, 60),
    (60, 30, 3, 100, 60),
    (40, 5, 3, 146.67, 88),
    (40, 8, 2, 140, 70),
    (10, 1, 3, 43.33, 26),
    (17, 1, 3, 113.33, 68),
    (17, 1, 10, 45.9, 38.25),
    (54, 3, 10, 151.2, 126),
    (40.05, 15, 3.5, 70.60, 44.93),
]


@pytest.mark.parametrize(("dose", "n", "ratio", "bed_gy", "eqd2_gy"), GOLDEN)
def test_bed_and_eqd2(dose: float, n: int, ratio: float, bed_gy: float, eqd2_gy: float) -> None:
    assert bed(dose, n, ratio) == pytest.approx(bed_gy, abs=0.01)
    assert eqd2(dose, n, ratio) == pytest.approx(eqd2_gy, abs=0.01)


def test_to_days() -> None:
    days = to_days([24, 3, 2, 1, np.nan], ["h", "d", "w", "mo", ""])
    np.testing.assert_allclose(days, [1, 3, 14, 30.4375, np.nan])


def test_samples_are_read_and_computed(tmp_path: Path) -> None:
    table = read_samples(sheet(tmp_path, SAMPLES)).set_index("sample")
    assert table.loc["b", "days_post_rt"] == 14
    assert table.loc["c", "days_post_rt"] == 1.5
    assert np.isnan(table.loc["a", "days_post_rt"])
    assert table.loc["b", "eqd2_gy"] == pytest.approx(10 * (1 + 2 / 3) / (1 + 2 / 3))
    assert table.loc["b", "modality"] == ""


@pytest.mark.parametrize(
    "text",
    [
        SAMPLES.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + SAMPLES.encode(),
        ("# a comment\n" + SAMPLES + "\n\n").encode(),
    ],
    ids=["crlf", "bom", "comment"],
)
def test_spreadsheet_dialects(tmp_path: Path, text: bytes) -> None:
    table = read_samples(sheet(tmp_path, text))
    assert table["sample"].tolist() == ["a", "b", "c"]
    assert table["treatment"].tolist() == ["control", "irradiated", "irradiated"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("c\tm3", "b\tm3", r"'b' is there 2 times \(rows 3, 4\)"),
        ("c\tm3", "B\tm3", "differ by case"),
        ("\tw\t", "\tweek\t", "row 3: time_unit is 'week', expected one of h, d, w, mo"),
        ("\tw\t", "\t\t", "time_post_rt 2 has no unit"),
        ("\t10\t5\t2", "\t1,5\t5\t2", "write decimals with a point"),
        ("\t10\t5\t2", "\t-1\t5\t2", "dose_gy is -1"),
        ("\t10\t5\t2", "\t10\t2.5\t2", "a whole number"),
        ("\t10\t5\t2", "\tinf\t5\t2", "dose_gy is 'inf'"),
        ("treatment", "treatmnt", "did you mean 'treatment'"),
        ("sample\tsubject", "sample\tsample", "duplicated"),
        ("b\tm2", "../../x\tm2", "sample is '../../x'"),
        ("b\tm2", "$(id)\tm2", "sample is"),
        ("b\tm2", "<script>\tm2", "sample is"),
        ("\tirradiated\t10", "\tirradiated\t10\t9", "row 3: 9 fields, the header has 8"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(SheetError, match=message):
        read_samples(sheet(tmp_path, SAMPLES.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"sample\ttreatment\n", "no rows"),
        (b"sample,treatment\na,control,3\n", "no tabs"),
        (b"sample\ttreatment\nM\xfcller\tcontrol\n", "UTF-8"),
        (b"sample\ttreatment\na\0\tcontrol\n", "NUL"),
        (b"treatment\ncontrol\n", "no column 'sample'"),
    ],
)
def test_bad_files(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(SheetError, match=message):
        read_samples(sheet(tmp_path, text))


DATASETS = "dataset\tpath\torganism\tassay\tsample\tsample_column\n"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("d\tx.h5ad\thuman\tsc\t\t", "found none"),
        ("d\tx.h5ad\thuman\tsc\ta\tsample", "found sample and sample_column"),
        ("d\tx.tsv\thuman\tbulk\ta\t", "bulk needs no sample"),
        ("d\tx.tsv\trat\tbulk\t\t", "organism is 'rat'"),
        ("d\t\thuman\tbulk\t\t", "path is ''"),
    ],
)
def test_bad_datasets(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(SheetError, match=message):
        read_datasets(sheet(tmp_path, DATASETS + row + "\n"))


def test_sheets_must_agree(tmp_path: Path) -> None:
    samples = read_samples(sheet(tmp_path, SAMPLES))
    unknown = DATASETS + "d\tx.h5ad\thuman\tsc\tz\t\n"
    with pytest.raises(SheetError, match="'z'"):
        check_sheets(read_datasets(sheet(tmp_path, unknown, "d.tsv")), samples)
    one = DATASETS + "d\tx.h5ad\thuman\tsc\ta\t\n"
    with pytest.raises(SheetError, match="no dataset holds sample 'b', 'c'"):
        check_sheets(read_datasets(sheet(tmp_path, one, "e.tsv")), samples)
    merged = DATASETS + "d\tx.h5ad\thuman\tsc\t\tsample\n"
    check_sheets(read_datasets(sheet(tmp_path, merged, "f.tsv")), samples)


def test_design_says_what_it_allows(tmp_path: Path) -> None:
    table = describe_design(read_samples(sheet(tmp_path, SAMPLES)), control="control")
    by_days = table.set_index("days_post_rt")["allows"]
    assert by_days.loc[14].startswith("effect only")
    assert "baseline of one" in table.set_index("treatment").loc["control", "allows"]
    assert not table["repeated_subjects"].any()


def test_dose_messages(tmp_path: Path) -> None:
    samples = read_samples(sheet(tmp_path, SAMPLES.replace("control\t0", "control\t4")))
    assert any(
        "Control samples with a dose" in m for m in dose_messages(samples, control="control")
    )
    assert any("No sample has treatment" in m for m in dose_messages(samples, control="sham"))


def _samples_sheet(tmp_path, *lines):
    path = tmp_path / "samples.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_all_errors_of_a_sheet_are_said_at_once(tmp_path) -> None:
    path = _samples_sheet(
        tmp_path, "sample\ttreatment\tdose_gy\tsex", "a\tcontrol\tten\tboth", "b\tirradiated\t-1\tf"
    )
    with pytest.raises(SheetError) as raised:
        read_samples(path)
    said = str(raised.value)
    assert said.startswith("3 errors: (1)")
    for part in ("row 2: dose_gy is 'ten'", "row 3: dose_gy is -1", "row 2: sex is 'both'"):
        assert part in said


@pytest.mark.parametrize(
    ("column", "meant"), [("time", "time_post_rt"), ("dose", "dose_gy"), ("donor", "subject")]
)
def test_usual_names_of_columns_are_understood(tmp_path, column, meant) -> None:
    path = _samples_sheet(tmp_path, f"sample\ttreatment\t{column}", "a\tcontrol\t1")
    with pytest.raises(SheetError, match=f"did you mean '{meant}'"):
        read_samples(path)


def test_semicolons_are_named(tmp_path) -> None:
    path = _samples_sheet(tmp_path, "sample;treatment", "a;control")
    with pytest.raises(SheetError, match="separated by semicolons"):
        read_samples(path)


@pytest.mark.parametrize(
    ("word", "modality"),
    [
        ("X-ray", "photon"), ("x rays", "photon"), ("gamma", "photon"), ("Cs-137", "photon"),
        ("137Cs", "photon"), ("Co-60", "photon"), ("photon", "photon"), ("FLASH", "flash"),
    ],
)  # fmt: skip
def test_sources_of_radiation_are_modalities(tmp_path, word, modality) -> None:
    path = _samples_sheet(tmp_path, "sample\ttreatment\tmodality", f"a\tirradiated\t{word}")
    assert read_samples(path)["modality"].tolist() == [modality]
