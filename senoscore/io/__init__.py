"""Files in and out: readers of expression matrices, the canonical .h5ad, tables, blocks."""

from __future__ import annotations

from senoscore.io.atomic import atomic_path
from senoscore.io.blocks import Block, iter_blocks
from senoscore.io.canonical import Canonical, read_canonical, write_canonical_stream
from senoscore.io.readers import detect_format, open_source
from senoscore.io.tables import read_parquet, read_tsv, write_parquet, write_tsv

__all__ = [
    "Block",
    "Canonical",
    "atomic_path",
    "detect_format",
    "iter_blocks",
    "open_source",
    "read_canonical",
    "read_parquet",
    "read_tsv",
    "write_canonical_stream",
    "write_parquet",
    "write_tsv",
]
