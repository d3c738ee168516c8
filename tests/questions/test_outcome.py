"""Outcome: who is at risk, which sample counts, and tables that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from senoscore.errors import ConfigError, SheetError
from senoscore.questions import outcome, read_outcome

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = pd.DataFrame({"sample": ["a", "b", "c"], "subject": ["p1", "p2", ""]})
HEAD = "subject\tendpoint\tkind\ttime_days\tevent\tvalue\n"


def written(folder: Path, *rows: str, head: str = HEAD) -> Path:
    path = folder / "outcome.tsv"
    path.write_text(head + "".join(row.replace(" ", "\t") + "\n" for row in rows))
    return path


def burden(n: int, **changes: Any) -> pd.DataFrame:
    """One irradiated sample a subject at day 28, the burden rising with its number."""
    table = pd.DataFrame(
        {
            "sample": [f"s{i}" for i in range(n)], "subject": [f"p{i}" for i in range(n)],
            "compartment": "tumour", "treatment": "irradiated", "dose_gy": 10.0,
            "days_post_rt": 28.0, "n_assessable": 200, "n_positive": np.arange(n) * 5,
            "status": "ok", "index_mean": np.linspace(-1, 1, n),
        }
    )  # fmt: skip
    control = table.iloc[:2].assign(
        sample=["c0", "c1"], subject=["c0", "c1"], treatment="control", dose_gy=0.0, n_positive=1
    )
    return pd.concat([table.assign(**changes), control], ignore_index=True)


def times(n: int, **changes: Any) -> pd.DataFrame:
    """The higher the burden, the sooner the event; from day 40 on."""
    return pd.DataFrame(
        {
            "subject": [f"p{i}" for i in range(n)], "endpoint": "recurrence",
            "kind": "time-to-event", "time_days": 40.0 + 10 * np.arange(n)[::-1], "event": 1.0,
            "value": np.nan,
        }
    ).assign(**changes)  # fmt: skip


def asked(table: pd.DataFrame, outcomes: pd.DataFrame, **options: Any) -> pd.DataFrame:
    found = outcome(table, outcomes, **({"landmark_days": 28} | options))
    return found[found["measure"] == "fraction_senescent"].reset_index(drop=True)


def test_a_burden_that_hastens_the_event_is_found() -> None:
    row = asked(burden(14), times(14)).iloc[0]
    assert row["status"] == "tested"
    assert row["estimate"] > row["ci_lo"] > 1
    assert row["q"] < 0.001
    assert (row["n_subjects"], row["n_events"]) == (14, 14)


def test_nobody_is_immortal_until_the_landmark() -> None:
    early = times(14)
    early.loc[:2, "time_days"] = [28.0, 20.0, 5.0]
    row = asked(burden(14), early).iloc[0]
    assert (row["n_subjects"], row["n_before_landmark"]) == (11, 3)
    assert "3 left out: outcome before the landmark" in row["note"]
    # Time at risk begins at the landmark: a shift of both changes nothing.
    shifted = asked(
        burden(14, days_post_rt=38.0), early.assign(time_days=early["time_days"] + 10),
        landmark_days=38,
    ).iloc[0]  # fmt: skip
    assert shifted["p"] == row["p"]


def test_samples_after_the_landmark_do_not_count() -> None:
    table = burden(14)
    table.loc[0, "days_post_rt"] = 60.0
    again = table.iloc[[1]].assign(sample="later", days_post_rt=60.0, n_positive=200)
    row = asked(pd.concat([table, again], ignore_index=True), times(14)).iloc[0]
    assert (row["n_subjects"], row["n_without_sample"]) == (13, 1)
    assert "1 sampled only after it" in row["note"]
    assert row["p"] == asked(table, times(14)).iloc[0]["p"]


def test_one_event_is_too_few() -> None:
    row = asked(burden(14), times(14).assign(event=[1.0] + [0.0] * 13)).iloc[0]
    assert row["status"] == "not_testable"
    assert row["reason"] == "too few events: 1, it takes 10"
    assert np.isnan(row["p"])


def test_competing_events_are_counted_and_said() -> None:
    events = [2.0, 2.0] + [1.0] * 12
    row = asked(burden(14), times(14).assign(event=events)).iloc[0]
    assert (row["n_events"], row["n_competing"]) == (12, 2)
    assert "cause-specific" in row["note"]
    censored = asked(burden(14), times(14).assign(event=[0.0, 0.0] + [1.0] * 12)).iloc[0]
    assert row["p"] == censored["p"]


def test_arms_are_asked_apart_and_together() -> None:
    table = burden(20)
    table.loc[10:19, "dose_gy"] = 20.0
    found = asked(table, times(20))
    assert list(found["question"]) == ["across_arms", "within_arm", "within_arm"]
    assert list(found["n_subjects"]) == [20, 10, 10]
    assert list(found["contrast"].str.extract(r"(\d+) Gy")[0].dropna()) == ["10", "20"]
    assert found["unit"].iloc[0] == "hazard ratio of one SD within arms"


def test_unirradiated_subjects_take_no_part() -> None:
    outcomes = pd.concat([times(14), times(2).assign(subject=["c0", "c1"])])
    assert asked(burden(14), outcomes).iloc[0]["n_subjects"] == 14


def test_grades_are_ranked() -> None:
    grades = times(8, kind="grade", event=np.nan).assign(value=[0, 0, 1, 1, 2, 2, 3, 3])
    row = asked(burden(8), grades.assign(time_days=28.0)).iloc[0]
    assert row["estimate"] > 0.9
    assert row["n_subjects"] == 8  # a grade of the landmark itself is none before it
    assert np.isnan(row["n_events"])
    few = asked(burden(8), grades.iloc[:4]).iloc[0]
    assert few["reason"] == "too few subjects: 4, it takes 5 of one arm"


@pytest.mark.parametrize("landmark", [-1, float("nan")])
def test_a_landmark_is_a_day(landmark: float) -> None:
    with pytest.raises(ConfigError, match="landmark_days"):
        outcome(burden(5), times(5), landmark_days=landmark)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path, "p1 recurrence time_to_event 90 1 ", "c recurrence time-to-event 30 0 ",
        "p2 fibrosis grade 90  2",
    )  # fmt: skip
    found = read_outcome(path, SAMPLES)
    assert found["event"].tolist()[:2] == [1.0, 0.0]
    assert found["value"].iloc[2] == 2


def test_times_may_have_a_unit(tmp_path: Path) -> None:
    head = "subject\tendpoint\tkind\ttime\ttime_unit\tevent\n"
    path = written(tmp_path, "p1 rec time-to-event 4 w 1", head=head)
    assert read_outcome(path, SAMPLES)["time_days"].tolist() == [28.0]
    with pytest.raises(SheetError, match="time_unit is 'year'"):
        read_outcome(written(tmp_path, "p1 rec time-to-event 1 year 1", head=head), SAMPLES)


def test_the_simulated_study_has_an_outcome_that_is_read_and_found(tmp_path: Path) -> None:
    from senoscore.simulation.followup import outcome_of
    from senoscore.simulation.tissue import design_of_drugs

    samples = design_of_drugs(replicates=8).assign(treatment_is="")
    share = np.linspace(0.05, 0.5, len(samples))
    truth = pd.concat(
        pd.DataFrame(
            {"sample": samples["sample"], "compartment": name, "senescent_fraction": share}
        )
        for name in ("tumour", "fibroblast")
    )
    outcome_of(samples, truth, seed=1).to_csv(tmp_path / "outcome.tsv", sep="\t", index=False)
    read = read_outcome(tmp_path / "outcome.tsv", samples)
    table = samples.assign(
        days_post_rt=28.0, compartment="tumour", n_assessable=400,
        n_positive=np.round(400 * share), status="ok",
    )  # fmt: skip
    found = asked(table, read)
    within = found[(found["endpoint"] == "local_recurrence") & found["status"].eq("tested")]
    assert (within["estimate"] > 1).any()
    assert found[found["contrast"].str.contains("sham|control")].empty


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        (["p9 rec time-to-event 9 1 "], "row 2: subject 'p9' is not in the samples sheet"),
        (["p1 rec survival 9 1 "], "kind is 'survival'"),
        (["p1 rec time-to-event soon 1 "], "time_days is 'soon'"),
        (["p1 rec time-to-event 9 3 "], "event is 3"),
        (["p1 rec time-to-event 9 1 2"], "value is '2', but kind is time-to-event"),
        (["p1 rec grade 9  "], "value is '', expected a number"),
        (["p1 rec time-to-event 9 1 ", "p1 rec time-to-event 12 1 "], "is duplicated"),
        (["p1 rec time-to-event 9 1 ", "p2 rec grade 12  1"], "in one row and grade in another"),
    ],
)  # fmt: skip
def test_wrong_tables_are_refused(tmp_path: Path, rows: list[str], word: str) -> None:
    with pytest.raises(SheetError, match=word):
        read_outcome(written(tmp_path, *rows), SAMPLES)


def test_missing_column_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SheetError, match="no column 'kind'"):
        read_outcome(written(tmp_path, "p1 x", head="subject\tendpoint\n"), SAMPLES)
    with pytest.raises(SheetError, match=r"none.tsv not found — columns: subject"):
        read_outcome(tmp_path / "none.tsv", SAMPLES)
