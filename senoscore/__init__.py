r"""Which compartment is senescent after radiotherapy, how much, since when, with what SASP.

The package has a room for each idea (``scoring``, ``calling``, ``inference``, ...). What a room
offers stands in its ``__init__.pyi``; names are imported on first use, so that
``import senoscore`` stays light.

Examples
--------
A simulated study of twelve mice: not irradiated, irradiated, irradiated and given a senolytic
drug. The examples of all functions go on from here.

>>> import pandas as pd
>>> import senoscore as sen
>>> samples = pd.DataFrame(
...     {
...         "sample": [f"s{n}" for n in range(1, 13)],
...         "subject": [f"m{n}" for n in range(1, 13)],
...         "treatment": ["control"] * 4 + ["irradiated"] * 8,
...         "drug": [""] * 8 + ["senolytic"] * 4,
...         "dose_gy": [0] * 4 + [8] * 8,
...         "time_post_rt": 28,
...         "time_unit": "d",
...         "batch": "b1",
...     }
... )
>>> samples.to_csv("samples.tsv", sep="\t", index=False)
>>> adata = sen.simulate(samples, seed=1, cells_per_sample=200, n_genes=5000, burden=3)
>>> adata.write_h5ad("study.h5ad")
>>> adata = sen.read("study.h5ad")  # joins samples.tsv to the cells
>>> sen.qc(adata, doublets="off")
>>> sen.compartments(adata)
>>> sen.score(adata, sen.signatures("all"))
>>> calibration = sen.calibrate(adata)
>>> sen.call(adata)
>>> burden = sen.burden(adata)
>>> trend = sen.trend(burden)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import lazy_loader

__version__ = "0.1.0"

_resolve, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = sorted({*__all__, "__version__", "pl"} - {"plotting"})


def __getattr__(name: str) -> Any:
    return import_module(f"{__name__}.plotting") if name == "pl" else _resolve(name)


def __dir__() -> list[str]:
    return list(__all__)
