"""One call of the scorer: checked arguments, the first pass if needed, and the engine."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from senoscore._methods import METHODS, check_methods, parse_exact
from senoscore._score_engine import Engine, normalisation, prepare
from senoscore._score_gsva import gsva_parts
from senoscore._signatures import Gate, SignatureSet, align, combine, list_signatures
from senoscore._signatures import signatures as collect_signatures
from senoscore.controls import Reference, gene_reference, genes_detected, matched_sets
from senoscore.errors import InputError, MethodError, SignatureError
from senoscore.genes import ORGANISMS, renamed, symbols

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from senoscore._score_inputs import Matrix

__all__ = ["Run", "cpus"]

logger = logging.getLogger(__name__)


class Run:
    """One call: checked arguments, the first pass if needed, and the engine."""

    def __init__(
        self,
        matrix: Matrix,
        signatures: Any,
        methods: str | Iterable[str],
        exact: str | Mapping[str, str] | None,
        gate: Gate | None,
        null: int,
        seed: int,
        block_size: int,
        n_threads: int | None,
        *,
        reference: Path | None,
        null_for: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self.matrix = matrix
        self.methods = check_methods(methods)
        self.exact = parse_exact(exact, self.methods)
        self.gate = Gate() if gate is None else gate
        self.null, self.seed, self.block_size = null, seed, block_size
        self.n_threads = cpus() if n_threads is None else n_threads
        _check_numbers(null, seed, block_size, self.n_threads)
        self.sigs = _checked_signatures(signatures)
        index, self.coverage = align(self.sigs, matrix.var_names, gate=self.gate)
        if not len(index.gene_idx):
            msg = f"{matrix.where}: no gene of any signature is among its {matrix.n_vars} genes"
            example = ", ".join(map(str, matrix.var_names[:3]))
            raise InputError(msg, fix=f"use symbols of the same organism (genes here: {example})")
        failed = [n for n, ok in zip(index.names, index.passed, strict=True) if not ok]
        if failed:
            logger.warning("%s: too few genes found for %s: NaN", matrix.where, ", ".join(failed))
        logger.info("%s: values are %s (%s)", matrix.where, matrix.values, matrix.values_from)
        means = null > 0 or any(
            METHODS[name].needs_controls and name != "jasmine" for name in self.methods
        )
        detected = any(twin.name == "decoupler" for twin in self.exact.values())
        # A file serves other calls too; in memory, only what this call needs is collected.
        whole = means or (detected and reference is not None)
        first_pass = self._reference(reference) if whole else None
        self.n_detected = self._detected(first_pass) if detected else None
        limits = None if reference is None else reference.with_suffix(".jasmine.npz")
        chosen = null > 0 and null_for is not None
        block_wise = tuple(name for name in self.methods if name != "gsva")
        self.gsva = gsva_parts(matrix, index, self.n_threads) if "gsva" in self.methods else None
        self.engine = self._engine(
            self.sigs, index, block_wise, first_pass,
            with_null=null > 0 and not chosen, limits=limits,
        )  # fmt: skip
        self.null_engines: list[Engine] = []
        self.n_without_z = dict.fromkeys(self.methods, 0)
        for method, names in (null_for or {}).items() if chosen else ():
            some = SignatureSet([self.sigs[name] for name in names], lost=self.sigs.lost)
            part, _ = align(some, matrix.var_names, gate=self.gate)
            calibrated = check_methods(method)
            self.null_engines.append(
                self._engine(some, part, calibrated, first_pass, with_null=True)
            )

    def _engine(
        self,
        sigs: SignatureSet,
        index: Any,
        methods: tuple[str, ...],
        reference: Reference | None,
        *,
        with_null: bool,
        limits: Path | None = None,
    ) -> Engine:
        drawn = None
        if with_null and reference is not None:
            drawn = matched_sets(index, reference.mean, reference.var_names, self.null, self.seed)
        missing = {gene for genes in self.coverage["missing"] for gene in genes.split()}
        return prepare(
            sigs,
            index,
            methods,
            {name: twin for name, twin in self.exact.items() if name in methods},
            values=self.matrix.values,
            n_vars=self.matrix.n_vars,
            n_missing=len(missing),
            blocks=lambda: self.matrix.blocks(self.block_size, None),
            reference=reference,
            n_detected=self.n_detected,
            null=drawn,
            seed=self.seed,
            n_threads=self.n_threads,
            limits_file=limits,
            look=self.matrix.look_at_rows if self.matrix.unseen else None,
        )

    def _reference(self, path: Path | None) -> Reference:
        """Moments of the genes over all cells, from a file if it is there."""
        names, normalise = self.matrix.var_names, normalisation(self.matrix.values)
        if path is not None and path.exists():
            reference = Reference.load(path)
            same = len(names) == len(reference.var_names) and bool(
                (np.asarray(names, dtype=np.str_) == reference.var_names).all()
            )
            if not same or reference.normalise != normalise:
                msg = f"{path} is the first pass of another matrix than {self.matrix.where}"
                raise InputError(msg, fix="delete it, or name another file")
            return reference
        logger.info("%s: first pass over all cells", self.matrix.where)
        reference = gene_reference(
            self.matrix.blocks(self.block_size, None),  # type: ignore[arg-type]  # a NamedTuple
            list(names),
            normalise=normalise,
            means_only=path is None and "zscore" not in self.methods,
        )
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            reference.save(path)
        return reference

    def _detected(self, reference: Reference | None) -> NDArray[np.int64]:
        """Count the cells that express each gene."""
        if reference is not None and reference.n_detected is not None:
            return reference.n_detected
        blocks: Any = self.matrix.blocks(self.block_size, None)
        return genes_detected(blocks, self.matrix.n_vars)

    def blocks(
        self, rows: slice | None
    ) -> Iterator[tuple[int, int, dict[str, dict[str, NDArray[np.float32]]]]]:
        """Score block by block: start, stop, and float32 columns per method."""
        self.n_without_z = dict.fromkeys(self.methods, 0)
        for block in self.matrix.blocks(self.block_size, rows):
            scores = self.engine.columns(block)
            if self.gsva is not None:
                scores["gsva"] = combine(self.gsva[block.start : block.stop], self.sigs)
            for engine in self.null_engines:
                against = engine.columns(block)
                scores |= {key: table for key, table in against.items() if key not in scores}
            for method in self.methods:
                for name, z in scores.get(f"{method}_z", {}).items():
                    tied = np.isnan(z) & np.isfinite(scores[method][name])
                    self.n_without_z[method] += int(np.count_nonzero(tied))
            yield (
                block.start,
                block.stop,
                {
                    key: {name: values.astype(np.float32) for name, values in table.items()}
                    for key, table in scores.items()
                },
            )
        for method, n_tied in self.n_without_z.items():
            if n_tied:
                logger.warning(
                    "%s: %s: %d scores have no z, since all random sets of the cell score the same",
                    self.matrix.where,
                    method,
                    n_tied,
                )

    def collect(self, rows: slice | None) -> dict[str, dict[str, NDArray[np.float32]]]:
        """Scores of all blocks together."""
        parts = [scores for _, _, scores in self.blocks(rows)]
        return {
            key: {name: np.concatenate([part[key][name] for part in parts]) for name in table}
            for key, table in parts[0].items()
        }

    def record(self, layer: str | None) -> dict[str, dict[str, str | int | float]]:
        """What was done, per method, as plain values that .h5ad can hold."""
        from senoscore import __version__

        return {
            method: {
                "version": __version__,
                "layer": "X" if layer is None else layer,
                "values": self.matrix.values,
                "values_from": self.matrix.values_from,
                "exact": str(self.exact.get(method, "")),
                "signatures_sha256": self.sigs.sha256,
                "n_genes": self.matrix.n_vars,
                "gate_min_fraction": float(self.gate.min_fraction),
                "gate_min_genes": int(self.gate.min_genes),
                "null": int(self.null),
                "null_without_z": self.n_without_z[method],
                "seed": int(self.seed),
            }
            for method in self.methods
        }


def cpus() -> int:
    """CPUs this process may use (all of the machine where that cannot be asked)."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _check_numbers(null: int, seed: int, block_size: int, n_threads: int) -> None:
    if null < 0 or null == 1:
        msg = f"null is {null}"
        raise MethodError(msg, fix="use 0 for none, or at least 2 random sets")
    if seed < 0 or block_size < 1 or n_threads < 1:
        msg = f"seed is {seed}, block_size {block_size}, n_threads {n_threads}"
        raise MethodError(msg, fix="use seed >= 0, block_size >= 1 and n_threads >= 1")


def _checked_signatures(signatures: Any) -> SignatureSet:
    several = isinstance(signatures, list | tuple)
    if several:
        _refuse_genes(signatures)
    found = collect_signatures(*signatures) if several else collect_signatures(signatures)
    if len(found) == 0:
        raise SignatureError("no signatures were given", fix="name at least one")
    return found


def _refuse_genes(sources: list[Any] | tuple[Any, ...]) -> None:
    """Say how, where somebody lists genes instead of signatures."""
    if not sources or not all(isinstance(source, str) for source in sources):
        return
    known = {"all", *list_signatures()[["signature", "category"]].to_numpy().ravel()}
    if known & set(sources):
        return
    changed = {organism: renamed(sources, organism) for organism in ORGANISMS}
    if any(
        source in symbols(organism) or source in changed[organism]
        for source in sources
        for organism in ORGANISMS
    ):
        shown = ", ".join(repr(source) for source in sources[:2])
        dots = ", ..." if len(sources) > 2 else ""
        msg = f"{shown}{dots}: these are genes, not signatures"
        raise SignatureError(msg, fix=f"give the list a name: {{'my_genes': [{shown}{dots}]}}")
