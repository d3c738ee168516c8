"""The first screen: problems before answers, one sentence for each kind of answer."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from senoscore.report.answers import NO, UNKNOWN, UNTESTED, WEAK, YES, Answer
from senoscore.report.headline import sentences
from senoscore.report.load import Run
from senoscore.report.parts import Options
from senoscore.report.problems import problems
from senoscore.report.tables import meaning


def answer(name: str, verdict: str, **fields) -> Answer:
    base = dict.fromkeys(
        ("amount", "amount_note", "since", "since_note", "sasp_note", "animals", "animals_note"), ""
    )
    return Answer(name, name.capitalize(), verdict, sasp=(), **(base | fields))


def test_each_kind_of_answer_is_one_sentence_and_brackets_mean_one_thing() -> None:
    found = [
        answer("astrocyte", YES, since="from 7 d"),
        answer("tumour", YES, since="from 7 d"),
        answer("fibroblast", YES, since="from 14 d"),
        answer("macrophage", NO, seen="4.0 points"),
        answer("endothelial", NO, seen="22.8 points"),
        answer("neuron", UNTESTED, amount="+16.0 points", animals_note="n = 1 per group"),
        answer("microglia", UNKNOWN, amount="–", amount_note="fewer than 100 control cells"),
    ]
    assert sentences(found) == [
        (
            "More senescent cells than in unirradiated controls: astrocyte and tumour from 7 d, "
            "fibroblast from 14 d."
        ),
        (
            "Not detected: macrophage and endothelial. An excess of 4.0 percentage points or more "
            "in macrophage and 22.8 or more in endothelial would have been seen; smaller amounts "
            "are possible."
        ),
        (
            "Measured, but no test possible: neuron, +16.0 percentage points. The reason: n = 1 "
            "per group."
        ),
        "No answer for microglia: fewer than 100 control cells.",
    ]


def test_many_compartments_are_named_once_with_the_range() -> None:
    seen = {"astrocyte": "4.2", "tumour": "0.5", "neuron": "10.0"}
    sizes = {"groups": "2 against 2 samples", "amount": "+1.0 points"}
    (line,) = sentences([answer(n, WEAK, seen=f"{s} points", **sizes) for n, s in seen.items()])
    assert line.replace("\u00a0", " ") == (
        "Too few samples to tell, 2 against 2 samples: astrocyte, tumour and neuron; only 0.5 to "
        "10.0 percentage points or more would have been seen."
    )


def test_no_sentence_ends_twice_or_says_a_reason_in_full() -> None:
    reason = "1 sample per time point: differences cannot be separated. Only the trend is tested."
    (line,) = sentences([answer("tumour", UNTESTED, amount="–", animals_note=reason)])
    assert line == ("Measured, but no test possible: tumour. The reason: 1 sample per time point.")
    sizes = {"groups": "2 against 9 samples", "amount": "+3.0 points", "seen": "12.0 points"}
    (line,) = sentences([answer("tumour", WEAK, **sizes)])
    assert line == (
        "Too few samples to tell for tumour, 2 against 9 samples: measured are +3.0 percentage "
        "points, and only 12.0 or more would have been seen."
    )


def test_whole_tissue_has_words_of_its_own() -> None:
    lines = sentences([answer("bulk", YES, by_index=True, since="from 7 d")])
    assert "senescence index (in control SDs) is above" in lines[0]
    assert "no cells to count" in lines[1]
    assert "senescent cells" not in " ".join(lines)


def checks(*flagged: tuple[str, str]) -> pd.DataFrame:
    rows = [
        {"check": "p53_response", "sample": sample, "expected": expected, "flag": "flag"}
        for sample, expected in flagged
    ]
    fine = {"check": "p53_response", "sample": "fine", "expected": "above 0", "flag": "ok"}
    return pd.DataFrame([*rows, fine])


@pytest.mark.parametrize(
    ("flagged", "title"),
    [
        ([("i1", "above 0.2"), ("c1", "below 0.9")], "Were samples swapped?"),
        ([("i1", "above 0.2")], "Check the labels."),
        ([("c1", "below 0.9")], "Check the labels."),
    ],
)
def test_samples_whose_response_does_not_fit_come_first(flagged, title: str) -> None:
    found = problems(Run({"label_check": checks(*flagged)}, {}), Options())
    assert [p.title for p in found] == [title]
    assert all(sample in found[0].text for sample, _ in flagged)
    assert "fine" not in found[0].text
    assert problems(Run({"label_check": checks()}, {}), Options()) == []


def sheet(n_control: int, n_treated: int) -> pd.DataFrame:
    rows = [{"sample": f"c{i}", "treatment": "control"} for i in range(n_control)]
    rows += [{"sample": f"t{i}", "treatment": "irradiated", "dose_gy": 8} for i in range(n_treated)]
    return pd.DataFrame(rows).assign(days_post_rt=14.0)


@pytest.mark.parametrize(
    ("n_control", "n_treated", "titles"),
    [
        (0, 3, ["No unirradiated sample."]),
        (1, 1, ["One control sample.", "No replication."]),
        (2, 2, ["Small groups."]),
        (3, 3, []),
    ],
)
def test_design_that_carries_no_answer_is_said_before_any(n_control, n_treated, titles) -> None:
    found = problems(Run({"samples": sheet(n_control, n_treated)}, {}), Options())
    assert [p.title for p in found] == titles
    if titles == ["Small groups."]:
        assert found[0].text.startswith("Two samples at most: controls; 8 Gy at 14 d. ")


def test_headings_are_explained_by_the_data_dictionary() -> None:
    path = Path(__file__).parents[2] / "docs" / "columns.tsv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert all(row["meaning"] in meaning(row["column"]) for row in rows)
    assert meaning("z:sasp") == meaning("z:*") != ""
    assert meaning("dose_gy").endswith("(unit: Gy)")
    assert meaning("no such column") == ""
