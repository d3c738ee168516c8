"""The sentence that opens each section: what it shows and how to read it."""

from __future__ import annotations

from typing import Final

__all__ = ["LEADS"]

LEADS: Final[dict[str, str]] = {
    "burden": (
        "One dot is one sample (animal or patient), never a cell. Open grey circles and the "
        "grey band are the unirradiated controls; the line joins sample means; small numbers at "
        "the foot count samples; a triangle on top marks a time at which the contrast with "
        "control holds after Benjamini–Hochberg. Amber rings are samples before senescence can be "
        "claimed: there the same pattern is an acute damage response. The cut is set on controls, "
        "so the excess is a lower bound."
    ),
    "scores": (
        "These samples are whole tissue: there are no cells to count, so no fraction can be "
        "given. Shown are the axis scores of each sample. A change can come from a change of "
        "composition."
    ),
    "states": (
        "Share of cells in each state, mean over the samples of a time. An acute damage "
        "response is arrest with a p53 response before stable senescence can be claimed; it is "
        "not senescence."
    ),
    "sasp": (
        "What senescent tissue secretes, by family. SASP alone never calls a cell senescent: "
        "immune cells and fibroblasts express much of it at rest, hence the comparison within a "
        "compartment."
    ),
    "axes": (
        "Each axis of evidence on its own, against the unirradiated cells of the same compartment."
    ),
    "contrasts": (
        "Irradiated against control at each time, one row a sample in an ordinary linear model. "
        "A filled dot holds after Benjamini–Hochberg within its named family; a grey one was "
        "not testable."
    ),
    "window": (
        "What state a compartment is in at each time, by rules that are data "
        "(resources/window.yaml) and contrasts that are in the tables: each word names the "
        "contrasts behind it, and “insufficient evidence” is an answer. A research read-out: not "
        "medical advice, and no statement about any treatment."
    ),
    "crosstalk": (
        "What senescent cells could say to others: the geometric mean of a SASP ligand in the "
        "sending cells and its receptor in the receiving ones, compared within samples between "
        "senescent and other senders. Expression of two genes is no signal sent. Cells were called "
        "partly by their SASP: where the ligand is in the panel, “circular” says so."
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
