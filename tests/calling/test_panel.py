"""The panel: lint errors say where, rules are truth tables."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest

from senoscore.calling.conditions import Evidence, holds
from senoscore.calling.panel import load_panel
from senoscore.errors import ConfigError, SignatureError
from senoscore.genesets.library import list_signatures

KNOWN = set(list_signatures()["signature"])
RAW = load_panel().raw


def changed(**paths: Any) -> dict[str, Any]:
    """The default panel with some top-level entries replaced."""
    return {**copy.deepcopy(dict(RAW)), **paths}


def composite(up: set[str], *, dividing: bool = False) -> bool:
    panel = load_panel()
    z = {a: np.array([3.0 if a in up else 0.0]) for a in panel.axis_names}
    z["proliferation"] = np.array([3.0 if dividing else 0.0])
    return bool(
        holds(panel.composite, Evidence(1, z, {}), panel.thresholds_of("fibroblast", 1.5))[0]
    )


def test_shipped_panel_is_clean_and_its_signatures_exist() -> None:
    panel = load_panel(known_signatures=KNOWN)
    assert len(panel.axes) > 20
    assert {"SA-b-gal activity", "lipofuscin", "p-Rb"} <= {
        entry["item"] for entry in panel.not_in_expression
    }
    assert all(axis.source for axis in panel.axes)


def test_composite_truth_table() -> None:
    kinds = {
        "cdk": "arrest_p21",
        "p53": "arrest_p53",
        "nuclear": "nuclear_loss",
        "sasp": "sasp",
        "lysosome": "lysosome",
    }
    for size in range(6):
        for chosen in itertools.combinations(kinds, size):
            has = set(chosen)
            expected = bool(size >= 3 and has & {"cdk", "p53"} and has & {"p53", "sasp"})
            axes = {kinds[k] for k in chosen}
            assert composite(axes) is expected, chosen
            assert not composite(axes, dividing=True), chosen


def test_p21_and_p16_are_one_kind_of_evidence() -> None:
    assert not composite({"arrest_p21", "arrest_p16", "sasp"})


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"composite": "nothing"}, ConfigError, "no definition 'nothing'"),
        ({"method": 3}, ConfigError, "method"),
        ({"axes": []}, ConfigError, "axes"),
        ({"statess": []}, ConfigError, "statess"),
        (
            {"assessable": {"min_axes": 1, "of": ["spas"], "any_of": ["sasp"]}},
            ConfigError,
            "did you mean 'sasp'",
        ),
        (
            {"compartments": {"tumour": {"disable": ["p99"]}}},
            ConfigError,
            "compartment 'tumour', disable: no axis 'p99'",
        ),
        (
            {"compartments": {"tumour": {"thresholds": {"up": 1.0}}}},
            ConfigError,
            "calibrated and cannot be given",
        ),
    ],
)
def test_lint_of_names(change: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        load_panel(changed(**change))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method": "ucel"}, "no scoring method 'ucel'"),
        ({"compartments": {"tumor": {}}}, "did you mean 'tumour'"),
        ({"thresholds": {**RAW["thresholds"], "dividing": float("nan")}}, "'dividing' is nan"),
        (
            {"compartments": {"tumour": {"thresholds": {"dividing": float("inf")}}}},
            "compartment 'tumour': the threshold 'dividing' is inf",
        ),
        ({"axes": [{**axis, "weight": 0} for axis in RAW["axes"]]}, "weight 0"),
    ],
)
def test_values_that_disarm_the_panel_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_panel(changed(**change))
    assert load_panel(changed(compartments={"my_own_label": {}})).name == "default"


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ({"all": ["sasp_up"]}, "SASP alone makes a cell senescent_candidate"),
        (
            {"all": ["sasp_up", {"axis": "proliferation", "is": "below", "threshold": "down"}]},
            "SASP alone",
        ),
        ({"all": ["cdk_inhibitor"]}, "the signature 'p21' alone"),
        ({"any": [{"axis": "ddr", "is": "above", "threshold": "acute"}]}, "'ddr' alone"),
    ],
)
def test_one_kind_of_evidence_makes_no_candidate(when: dict[str, Any], says: str) -> None:
    raw = changed()
    raw["states"].insert(3, {"state": "senescent_candidate", "when": when})
    with pytest.raises(ConfigError, match=says):
        load_panel(raw)


def test_unknown_signature_and_empty_axis() -> None:
    with pytest.raises(SignatureError, match="axis 'arrest_p53': no signature 'p53_targets'"):
        load_panel(known_signatures=KNOWN - {"p53_targets"})
    raw = changed()
    raw["axes"][0]["parts"] = []
    with pytest.raises(SignatureError, match="axis 'arrest_p53' is empty"):
        load_panel(raw)


def above(axis: str, threshold: str = "up") -> dict[str, str]:
    return {"axis": axis, "is": "above", "threshold": threshold}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"all": [above("sasp")]}, "SASP axes alone"),
        ({"all": [above("arrest_p21")]}, "'arrest_p21' alone"),
        ({"all": []}, "without any evidence"),
        ({"all": ["arrest", "sasp_up"], "none": ["sasp_up"]}, "both required and excluded"),
        (
            {"all": [above("sasp"), {"axis": "sasp", "is": "below", "threshold": "down"}]},
            "contradictory",
        ),
        ({"all": [{"day": "stable"}, {"day": "missing"}]}, "two day conditions"),
        ({"at_least": 3, "of": ["arrest", "sasp_up"]}, "at_least 3 of only 2"),
        ({"all": ["later"]}, "no definition"),
        ({"all": [above("sasp", "upp")]}, "no threshold 'upp'"),
        ({"all": ["arrest", "sasp_up"], "none": ["nuclear_up"]}, "must never call more"),
    ],
)
def test_lint_of_rules(rule: dict[str, Any], says: str) -> None:
    raw = changed()
    raw["definitions"]["pattern"] = rule
    with pytest.raises(ConfigError, match=says):
        load_panel(raw)


def test_states_must_be_reachable_and_exhaustive() -> None:
    raw = changed()
    raw["states"].insert(0, raw["states"][-1])
    with pytest.raises(ConfigError, match="unreachable"):
        load_panel(raw)
    raw = changed()
    raw["states"].pop()
    with pytest.raises(ConfigError, match="does not take every cell"):
        load_panel(raw)
    raw = changed()
    raw["states"][3]["when"] = {"all": ["marks"]}
    with pytest.raises(ConfigError, match="does not require the composite"):
        load_panel(raw)


def test_missing_evidence_fulfils_nothing() -> None:
    raw = changed()
    panel = load_panel(raw)
    z = {a: np.array([np.nan]) for a in panel.axis_names}
    limits = panel.thresholds_of("fibroblast", 1.0)
    assert not holds(panel.composite, Evidence(1, z, {}), limits)[0]


def test_tumour_veto_is_stricter() -> None:
    panel = load_panel()
    assert panel.thresholds_of("tumour", 1.3)["dividing"] < panel.thresholds["dividing"]
    assert panel.thresholds_of("tumour", 1.3)["up"] == 1.3


@pytest.mark.parametrize(("text", "says"), [("- 1\n", "no mapping"), ("a: [", "not YAML")])
def test_bad_files(tmp_path: Any, text: str, says: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_panel(path)
    with pytest.raises(ConfigError, match="does not exist"):
        load_panel(tmp_path / "q.yaml")
    with pytest.raises(ConfigError, match="no shipped panel"):
        load_panel("defualt")
