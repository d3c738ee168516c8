"""Stores of zarr and files of MuData, to be read as such."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import anndata as ad
import h5py

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def write_zarr(
    data: ad.AnnData, path: Path, *, mudata: dict[str, ad.AnnData] | None = None
) -> None:
    """An AnnData, or a MuData with it as ``rna``, in zarr version 3."""
    import zarr

    with warnings.catch_warnings(), ad.settings.override(zarr_write_format=3):
        warnings.simplefilter("ignore")
        with ad.settings.override(allow_write_nullable_strings=True):
            if mudata is None:
                data.write_zarr(path)
                return
            group = zarr.open_group(path, mode="w", zarr_format=3)
            for name, part in {"rna": data, **mudata}.items():
                ad.io.write_elem(group.require_group("mod"), name, part)
            ad.io.write_elem(group, "obs", data.obs)


def write_h5mu(
    data: ad.AnnData,
    path: Path,
    *,
    mudata: dict[str, ad.AnnData] | None = None,
    obs: pd.DataFrame | None = None,
) -> None:
    """A MuData with the data as ``rna``, in the layout of mudata 0.3."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "MuData", "encoding-version": "0.1.0", "axis": 0})
        for name, part in {"rna": data, **(mudata or {})}.items():
            ad.io.write_elem(file.require_group("mod"), name, part)
        ad.io.write_elem(file, "obs", data.obs if obs is None else obs)
