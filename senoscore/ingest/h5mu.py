"""MuData in HDF5: one AnnData for each modality, of which the RNA is read.

Source of the layout: https://mudata.readthedocs.io (``/mod/NAME`` is an AnnData, ``/obs`` is a
table of all cells, ``/obsmap/NAME`` says which of them are in a modality).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from senoscore.errors import InputError
from senoscore.ingest.h5ad import Container, anndata_format, obs_of_cells
from senoscore.ingest.source import plain_name
from senoscore.io import H5_ERRORS, child, damaged, is_group, open_h5, place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import h5py
    import pandas as pd


__all__ = ["H5MU", "rna_modality"]

_RNA: Final = ("rna", "gex", "gene expression", "gene_expression", "mrna", "scrna", "snrna")
"""What muon, scirpy, mudata's tutorials and 10x call the modality."""


def rna_modality(top: h5py.Group) -> tuple[str, h5py.Group]:
    """Pick the modality that holds gene expression, by its name, or as the only one.

    Parameters
    ----------
    top
        The group that a MuData begins at.

    Raises
    ------
    InputError
        There is no modality, none or several have a name of RNA, or it is no AnnData.
    """
    where, mod = place(top), child(top, "mod")
    names = sorted(mod) if is_group(mod) else []
    if not names:
        msg = f"{where} holds no modality (no group mod)"
        raise InputError(msg, fix="give a MuData, or an AnnData as .h5ad")
    rna = [name for name in names if name.lower() in _RNA] or (names if len(names) == 1 else [])
    if len(rna) != 1:
        what = "several modalities may be RNA" if rna else "no modality is named rna"
        msg = f"{where}: {what}; there are: {', '.join(names[:20])}"
        raise InputError(msg, fix="write the one with gene expression as a file of its own, .h5ad")
    group = child(mod, rna[0])
    if not is_group(group) or child(group, "mod") is not None:
        msg = f"{where}: modality {rna[0]!r} is not an AnnData"
        raise InputError(msg, fix="write the one with gene expression as a file of its own, .h5ad")
    return rna[0], group


def _container(path: Path) -> Container:
    with open_h5(path) as file:
        try:
            name, _group = rna_modality(file)
            others = sorted(set(file["mod"]) - {name})
        except H5_ERRORS as error:
            raise damaged(path, error) from error

    @contextmanager
    def opened() -> Iterator[h5py.Group]:
        with open_h5(path) as file:
            yield rna_modality(file)[1]

    def more(columns: Sequence[str], cells: Sequence[str]) -> dict[str, pd.Series]:
        with open_h5(path) as file:
            return obs_of_cells(file, columns, cells, path)

    left = f"; not read: {', '.join(others)}" if others else ""
    return Container(
        path, "h5mu", opened, (path,), more=more, notes=(f"modality {name!r} is the RNA{left}",)
    )


def _is_h5mu(path: Path) -> bool:
    if plain_name(path).endswith(".h5mu"):
        return True
    if not plain_name(path).endswith((".h5", ".hdf5")) or not path.is_file():
        return False
    with open_h5(path) as file:
        mod: Any = child(file, "mod")
        return is_group(mod)


H5MU: Final = anndata_format("h5mu", _container, _is_h5mu)
"""MuData in HDF5."""
