"""Do labels agree with the p53 response and with sex? GSE281695 at 24 h does not, at 7 d does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from senoscore.inference.labels import p53_by_sample, p53_check, sex_check

REALDATA = Path(__file__).parents[2].parent / "shared" / "realdata"
GSE281695 = REALDATA / "gse281695_a20_lymphoma_irradiated_bulk"


def table(rows) -> pd.DataFrame:
    columns = ["sample", "treatment", "days_post_rt", "value"]
    facts = {"dataset": "d", "assay": "sc", "organism": "human", "batch": ""}
    return pd.DataFrame(rows, columns=columns).assign(**facts)


PUBLISHED = [
    ("i1", "irradiated", 1.0, 5.62),
    ("i2", "irradiated", 1.0, 6.19),
    ("c1", "control", 1.0, 6.50),
    ("c2", "control", 1.0, 5.21),
    ("i3", "irradiated", 7.0, 6.6),
    ("i4", "irradiated", 7.0, 6.7),
    ("c3", "control", 7.0, 6.0),
    ("c4", "control", 7.0, 6.1),
]


def test_the_published_24_h_values_are_flagged_and_7_d_is_silent():
    found = p53_check(table(PUBLISHED), control="control")
    flagged = found[found["flag"] == "flag"]
    assert set(flagged["group"]) == {"1 d"}
    assert "c1" in set(flagged["sample"])
    assert "flag" not in set(found.loc[found["group"] == "7 d", "flag"])


def test_late_times_and_single_samples_are_not_judged():
    late = [(s, t, 90.0, v) for s, t, _, v in PUBLISHED[:4]]
    assert set(p53_check(table(late), control="control")["flag"]) == {"not_assessable"}
    assert set(p53_check(table(PUBLISHED[1:4]), control="control")["flag"]) == {"not_assessable"}
    assert p53_check(table(PUBLISHED[2:4]), control="control").empty


def test_controls_of_another_time_serve_where_there_are_none():
    rows = [(s, t, 0.0 if t == "control" else 1.0, v) for s, t, _, v in PUBLISHED[4:]]
    assert set(p53_check(table(rows), control="control")["flag"]) == {"ok"}
    one = [(s, t, 1.0 if s in ("i3", "i4", "c3") else 0.0, v) for s, t, _, v in PUBLISHED[4:]]
    assert set(p53_check(table(one), control="control")["flag"]) == {"ok"}


def test_one_data_set_a_sample_is_compared_over_data_sets():
    single = table(PUBLISHED)
    single["dataset"] = single["sample"]
    found = p53_check(single, control="control")
    together = p53_check(table(PUBLISHED), control="control")
    pd.testing.assert_frame_equal(found.drop(columns="dataset"), together.drop(columns="dataset"))
    judged = found[found["sample"] != ""]
    assert judged["dataset"].tolist() == judged["sample"].tolist()


def test_another_assay_or_organism_is_never_compared():
    for column, other in (("assay", "sn"), ("organism", "mouse")):
        mixed = table(PUBLISHED[:4])
        mixed.loc[mixed["treatment"] == "control", column] = other
        found = p53_check(mixed, control="control")
        assert set(found["flag"]) == {"not_assessable"}


def test_batches_that_hold_two_of_each_are_judged_apart():
    # Batch 2 lies 10 higher: pooled, its controls would top the treated samples of batch 1.
    rows = [(f"{s}{b}", t, 1.0, v + b) for b in (0, 10) for s, t, _, v in PUBLISHED[4:]]
    batched = table(rows).assign(batch=["1"] * 4 + ["2"] * 4)
    assert set(p53_check(batched, control="control")["flag"]) == {"ok"}
    assert "flag" in set(p53_check(batched.assign(batch="1"), control="control")["flag"])
    # A batch of a single control is no side: all are compared, as without batches.
    lopsided = batched.assign(batch=["1"] * 7 + ["2"])
    assert "flag" in set(p53_check(lopsided, control="control")["flag"])


def test_p53_by_sample_is_free_of_composition():
    burdens = pd.DataFrame(
        {
            "dataset": "d",
            "assay": "sc",
            "organism": "human",
            "batch": "",
            "sample": ["c", "c", "t"],
            "treatment": ["control", "control", "irradiated"],
            "days_post_rt": [0.0, 0.0, 1.0],
            "compartment": ["tumour", "astrocyte", "astrocyte"],
            "status": "ok",
            "mean:p53": [9.0, 1.0, 1.5],
        }
    )
    found = p53_by_sample(burdens, "mean:p53", control="control").set_index("sample")["value"]
    assert found["c"] == 0
    assert found["t"] == 0.5


def test_sex():
    values = pd.DataFrame(
        {
            "dataset": "d",
            "sample": list("abcd"),
            "sex": ["female", "m", "", "f"],
            "value": [0.4, 0.3, 0.1, np.nan],
        }
    )
    found = sex_check(values).set_index("sample")["flag"].to_dict()
    assert found == {"a": "ok", "b": "flag", "d": "not_assessable"}


@pytest.mark.realdata
@pytest.mark.skipif(not GSE281695.is_dir(), reason="../shared/realdata is not here")
def test_gse281695():
    from senoscore.genesets.genes import canonicalise
    from senoscore.genesets.library import signatures

    counts = pd.read_csv(GSE281695 / "counts.tsv.gz", sep="\t", index_col=0)
    sheet = pd.read_csv(GSE281695 / "samples.tsv", sep="\t")
    sheet = sheet.rename(columns={"sample_id": "sample"})
    cpm = np.log2(counts / counts.sum() * 1e6 + 1)
    symbols = canonicalise(list(counts.index.astype(str)), "mouse")["symbol"].to_numpy()
    genes = signatures("p53_targets", organism="mouse")["p53_targets"].up
    value = cpm[np.isin(symbols, genes)].mean()
    hours = sheet["time_post_rt"].to_numpy(dtype=float)
    days = np.where(sheet["time_unit"] == "h", hours / 24, hours)
    facts = {"dataset": "d", "assay": "bulk", "organism": "mouse", "batch": ""}
    own = sheet.assign(**facts, days_post_rt=days, value=sheet["sample"].map(value))
    found = p53_check(own, control="control").groupby("group")["flag"].unique()
    assert "flag" in found["1 d"]
    assert "flag" not in found["7 d"]
