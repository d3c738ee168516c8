"""Compartments that senoscore knows, and which of them a label of the user's means."""

from __future__ import annotations

import difflib
from functools import cache
from typing import TYPE_CHECKING, Final

from senoscore import _keys as k
from senoscore.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["ONTOLOGY", "check_known", "from_labels", "known_as", "nearest"]

ONTOLOGY: Final = {
    "astrocyte": "CL:0000127",
    "fibroblast": "CL:0000057",
    "macrophage": "CL:0000235",
    "tumour": "CL:0001064",
    "endothelial": "CL:0000115",
    "t_cell": "CL:0000084",
    "nk_cell": "CL:0000623",
    "b_cell": "CL:0000236",
    "epithelial": "CL:0000066",
    "oligodendrocyte": "CL:0000128",
    "neuron": "CL:0000540",
}
"""Cell Ontology id of each compartment."""

_SYNONYMS: Final = {
    "astrocyte": "astro astrocytic astroglia",
    "fibroblast": "fb fibro caf mycaf icaf stromal mesenchymal pericyte-fibroblast",
    "macrophage": "mac mg microglia microglial tam bmdm mdm monocyte mono myeloid",
    "tumour": "tumor malignant cancer neoplastic glioma gbm",
    "endothelial": "ec endo endothelium vascular",
    "t_cell": "t tcell cd4 cd8 cd4t cd8t treg lymphocyte-t",
    "nk_cell": "nk nkcell natural-killer",
    "b_cell": "b bcell plasma plasmacell",
    "epithelial": "epi epithelium keratinocyte pneumocyte",
    "oligodendrocyte": "oligo odc mol opc oligodendroglia",
    "neuron": "neuronal excitatory inhibitory",
    k.UNASSIGNED: "unknown na nan none unassigned other doublet",
}


def from_labels(labels: pd.Series, mapping: Mapping[str, str]) -> NDArray[np.object_]:
    """Turn labels into compartments: by the mapping, else by name, plural or synonym.

    Raises
    ------
    ConfigError
        The mapping gives something that is no compartment, or a label fits none.
    """
    allowed = [*ONTOLOGY, k.UNASSIGNED]
    check_known(list(mapping.values()), allowed, "compartments.mapping")
    text = labels.astype(object).where(labels.notna(), "").astype(str)
    found = {label: mapping.get(label) or _guess(label) for label in sorted(text.unique())}
    unknown = [label for label, guess in found.items() if guess is None]
    if unknown:
        listed = ", ".join(map(repr, unknown))
        near = difflib.get_close_matches(_folded(unknown[0]), allowed, n=1)
        hint = f"did you mean {near[0]!r}? " if near and len(unknown) == 1 else ""
        fix = f"{hint}add {listed} to compartments.mapping (or map to {k.UNASSIGNED})"
        are = "label {} is" if len(unknown) == 1 else "labels {} are"
        msg = f"{are.format(listed)} no compartment senoscore knows"
        raise ConfigError(msg, fix=fix)
    return text.map(found).to_numpy(dtype=object)


def _folded(label: str) -> str:
    return label.strip().casefold().replace(" ", "_").replace("+", "")


@cache
def known_as(label: str) -> str | None:
    """Compartment that a label means by name, plural or synonym; None if it fits none."""
    return _guess(label)


def nearest(label: str) -> str | None:
    """Compartment whose name is spelt most like a label; None if none is alike."""
    near = difflib.get_close_matches(_folded(label), list(ONTOLOGY), n=1)
    return near[0] if near else None


def _guess(label: str) -> str | None:
    folded = _folded(label)
    if not folded:
        return k.UNASSIGNED
    forms = {folded, folded.removesuffix("s"), folded.replace("_cells", "").replace("_cell", "")}
    forms |= {form.replace("_", "").replace("-", "") for form in forms}
    for name, words in _SYNONYMS.items():
        if forms & {name, name.replace("_", ""), *words.split()}:
            return name
    return None


def check_known(names: Sequence[str], allowed: Sequence[str], where: str) -> None:
    """Refuse a name that is none of those allowed.

    Raises
    ------
    ConfigError
        Says which name, where it stands, and which name is like it.
    """
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), list(allowed), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(allowed)}"
            msg = f"{where}: {name!r} is no compartment"
            raise ConfigError(msg, fix=hint)
