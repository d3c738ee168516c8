"""Targets and crosstalk as one value a sample: by hand, over all cells, the same genes for all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from senoscore.biology import crosstalk, crosstalk_values, target_values
from senoscore.errors import InputError

PAIRS = pd.DataFrame(
    {
        "ligand": ["IL6", "CCL2"],
        "receptor": ["IL6R+IL6ST", "CCR2"],
        "family": "interleukin",
        "source": "test",
    }
)
LEVELS = {"IL6": 4.0, "CCL2": 1.0, "IL6R": 9.0, "IL6ST": 1.0, "CCR2": 4.0, "PLAUR": 2.0,
          "BCL2": 1.0, "BCL2L1": 2.0, "BCL2L2": 3.0, "MCL1": 6.0}  # fmt: skip


def expression(samples: tuple[str, ...] = ("a", "b", "c")) -> pd.DataFrame:
    """Senescent cells have twice the level; three of four cells are others."""
    return pd.DataFrame(
        [
            {"sample": sample, "compartment": where, "kind": kind, "n_cells": n, "gene": gene,
             "mean": level * (2 if kind == "senescent" else 1), "detected": 0.5}
            for sample in samples for where in ("tumour", "macrophage")
            for kind, n in (("senescent", 10), ("other", 30)) for gene, level in LEVELS.items()
        ]
    )  # fmt: skip


def sheet(samples: tuple[str, ...] = ("a", "b", "c")) -> pd.DataFrame:
    return pd.DataFrame(
        {"sample": samples, "treatment": ["control", *["rt"] * (len(samples) - 1)],
         "dose_gy": [0.0, *[8.0] * (len(samples) - 1)], "days_post_rt": 14.0}
    )  # fmt: skip


def test_a_target_is_the_mean_over_all_kept_cells() -> None:
    found = target_values(expression()).set_index(["sample", "compartment", "measure"])
    own = found.loc[("a", "tumour", "target:PLAUR")]
    assert own["value"] == pytest.approx((10 * 4 + 30 * 2) / 40)
    assert (own["n_cells"], own["detected"], own["target"]) == (40, 0.5, "surface_upar")
    # A class: the mean over its genes, each (10 x 2 + 30) / 40 = 1.25 of its level.
    family = found.loc[("a", "tumour", "target:bcl2_family")]
    assert family["value"] == pytest.approx(1.25 * (1 + 2 + 3 + 6) / 4)
    assert (family["n_found"], family["n_genes"]) == (4, 4)
    assert "target:GPNMB" not in found.index.get_level_values("measure")


def test_a_class_is_the_same_genes_in_every_sample() -> None:
    """A gene that one sample lacks would move its mean: it counts in none."""
    table = expression()
    table = table[~(table["sample"].eq("c") & table["gene"].eq("MCL1"))]
    found = target_values(table).query("measure == 'target:bcl2_family'")
    np.testing.assert_allclose(found["value"], 1.25 * (1 + 2 + 3) / 3)
    assert set(found["n_found"]) == {3}


def test_too_few_cells_have_no_value() -> None:
    table = expression()
    few = table["sample"].eq("b") & table["compartment"].eq("tumour")
    table.loc[few, "n_cells"] = 2
    found = target_values(table, min_cells=5)
    assert set(found.loc[found["compartment"] == "tumour", "sample"]) == {"a", "c"}
    talk = crosstalk_values(table, sheet(), pairs=PAIRS, min_cells=5)
    assert set(talk["sample"]) == {"a", "c"}  # too few to send, and too few to receive
    assert target_values(table.iloc[:0]).empty
    assert crosstalk_values(table.iloc[:0], sheet(), pairs=PAIRS).empty


def test_the_score_of_a_sample_by_hand() -> None:
    found = crosstalk_values(expression(), sheet(), pairs=PAIRS)
    own = found[found["compartment"].eq("tumour") & found["sample"].eq("a")]
    by = own.set_index("measure")["value"]
    # Lowest chain: IL6ST. Both sides are 1.25 times their level.
    assert by["crosstalk_pair:macrophage:IL6-IL6R+IL6ST"] == pytest.approx(1.25 * 2)
    assert by["crosstalk_pair:macrophage:CCL2-CCR2"] == pytest.approx(1.25 * 2)
    assert by["crosstalk:macrophage"] == pytest.approx(2.5)
    assert own.set_index("measure").loc["crosstalk:macrophage", "n_pairs"] == 2


def test_a_direction_is_of_the_pairs_that_every_sample_has() -> None:
    table = expression()
    table.loc[table["gene"].eq("CCL2"), "mean"] *= 9
    table = table[~(table["sample"].eq("c") & table["gene"].eq("CCR2"))]
    found = crosstalk_values(table, sheet(), pairs=PAIRS).query("compartment == 'tumour'")
    whole = found[found["measure"] == "crosstalk:macrophage"]
    np.testing.assert_allclose(whole["value"], 2.5)
    assert set(whole["n_pairs"]) == {1}
    pair = found[found["measure"] == "crosstalk_pair:macrophage:CCL2-CCR2"]
    assert set(pair["sample"]) == {"a", "b"}


def test_only_the_directions_that_are_asked() -> None:
    expected = pd.DataFrame(
        {"sender": ["tumour"], "receiver": ["macrophage"], "what": ["recruits"], "source": ["t"]}
    )
    found = crosstalk_values(
        expression(), sheet(), pairs=PAIRS, directions=expected, only_known=True
    )
    assert set(found["compartment"]) == {"tumour"}
    assert set(found["known"]) == {"recruits"}
    tests = crosstalk(expression(), sheet(), pairs=PAIRS, directions=expected, only_known=True)
    pairs = tests[["ligand", "receptor"]].drop_duplicates()
    assert len(pairs) == found["measure"].str.startswith("crosstalk_pair").sum() / 3


def test_a_table_of_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="no column 'kind'"):
        crosstalk_values(expression().drop(columns="kind"), sheet(), pairs=PAIRS)
