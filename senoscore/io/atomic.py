"""Whole files or none; lives in :mod:`senoscore._atomic`, for what is written below this layer."""

from __future__ import annotations

from senoscore._atomic import TEMPORARY_PREFIX, atomic_path

__all__ = ["TEMPORARY_PREFIX", "atomic_path"]
