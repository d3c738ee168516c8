"""Surface and pathway target classes: a family of their own, each with a source and a licence."""

from __future__ import annotations

from senoscore.biology import load_rules, target_genes
from senoscore.genesets import list_signatures


def test_every_target_class_has_source_and_licence() -> None:
    catalogue = list_signatures().set_index("signature")
    named = catalogue.loc[list(load_rules().targets)]
    assert named["source"].str.contains(r"\d{4}").all()
    assert named["licence"].str.startswith("CC").all()


def test_surface_targets_are_a_family_of_their_own() -> None:
    targets, genes = load_rules().targets, target_genes()
    surface = [name for name, entry in targets.items() if entry["kind"].startswith("surface")]
    assert genes["surface_upar"] == ("PLAUR",)
    assert set(surface) == {
        "surface_upar", "surface_gpnmb", "surface_dpp4", "surface_b2m", "surface_pd_l1",
        "surface_pd_l2", "nkg2d_ligands",
    }  # fmt: skip
    assert {targets[n]["kind"] for n in ("ampk_pathway", "il6_pathway", "il1_pathway")} == {
        "senomorphic"
    }
