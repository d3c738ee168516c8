"""The sentence that opens each section: what it shows and how to read it."""

from __future__ import annotations

from typing import Final

__all__ = ["LEADS"]

LEADS: Final[dict[str, str]] = {
    "burden": (
        "One dot is one sample (animal or patient), never a cell. The band spans all controls; "
        "the tests behind the triangles take the controls of the same time where there are two. "
        "A time without a triangle is one at which no difference was shown, which is not the same "
        "as none. Before senescence can be claimed (amber rings) the same pattern is an acute "
        "damage response. The cut is set on controls, so the excess over them is a lower bound."
    ),
    "scores": (
        "These samples are whole tissue: there are no cells to count, so no fraction can be "
        "given. Shown are the axis scores of each sample. A change can come from a change of "
        "composition."
    ),
    "states": (
        "An acute damage response is arrest with a p53 response before stable senescence can be "
        "claimed; it is not senescence. A senescent candidate fulfils the rule of the panel but "
        "lacks what a claim needs (its reason is in the table of calls)."
    ),
    "sasp": (
        "Expression of what senescent cells secrete, by family, over all cells of a compartment "
        "and not of its senescent ones alone; expression is not secretion. SASP alone never calls "
        "a cell senescent: immune cells and fibroblasts express much of it at rest, hence the "
        "comparison within a compartment."
    ),
    "axes": (
        "Each axis of evidence on its own, over all cells of a compartment, against the "
        "unirradiated cells of the same compartment. No axis alone is evidence of senescence."
    ),
    "contrasts": (
        "Irradiated against control at each time and dose: an ordinary linear model with one value "
        "a sample. q is p after Benjamini–Hochberg within the named family of tests; a contrast "
        "with one sample in a group has an estimate and no test."
    ),
    "window": (
        "In which state each compartment is at each time, by fixed rules (resources/window.yaml) "
        "over the contrasts in the tables; the column “evidence” names those behind each word, and "
        "“insufficient evidence” is an answer. A research read-out: not medical advice, and no "
        "statement about any treatment."
    ),
    "crosstalk": (
        "What senescent cells could say to others: the geometric mean of a SASP ligand in the "
        "sending cells and its receptor in the receiving ones, compared within samples between "
        "senescent and other senders. Expression of two genes is no proof of a signal. Cells were "
        "called partly by their SASP: where the ligand is in the panel, the pair is circular."
    ),
    "plasma": (
        "Each subject against its own baseline (day 0 or before). Values below the limit of "
        "detection stand as LOD/√2 and are marked; an analyte with more than half of its values "
        "below it has no ratio."
    ),
    "design": (
        "How many samples stand behind each combination. The sample is the unit; cells are "
        "never replicates."
    ),
    "qc": (
        "Limits are set per sample from its own median and spread; there is no global "
        "mitochondrial cut, because irradiated cells are shifted. Watch for conditions that "
        "lose more cells than others."
    ),
    "genes": (
        "A signature of which fewer than half the genes (or fewer than 5) are in the matrix is "
        "not scored: half a signature is a different signature."
    ),
    "compartments": (
        "Which cells the answers are about. A shift of composition after irradiation changes "
        "any tissue-level number; burdens are therefore computed within a compartment."
    ),
    "calibration": (
        "One z cut per compartment, tuned on unirradiated samples so that the whole rule, with "
        "each control sample left out in turn, stays at the stated rate. Each dot is a control "
        "sample judged by the others."
    ),
    "labels": (
        "Does what the genes say agree with the labels? The p53 response against the treatment, "
        "XIST and Y genes against the sex. A flag asks for a look at the sample, it proves "
        "nothing."
    ),
    "confounders": (
        "Scores that follow depth, genes detected or the cell cycle can pass for biology."
    ),
    "gaps": ("What this run could not assess, and why. Missing is not zero."),
}
