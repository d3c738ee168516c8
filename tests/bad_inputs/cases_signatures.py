"""Signature, panel and marker files that cannot be used, and what `init` refuses."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import h5py
import yaml

from senoscore.io.resources import resource
from tests.bad_inputs.study import SIGNATURES, Case, anndata, configure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_GMT = "mine\tnone\tTP53\tCDKN1A\tIL6\n"
_TSV = "source\ttarget\tweight\nmine\tTP53\t1\nmine\tIL6\t-2\n"


def _file(name: str, content: str | bytes) -> Callable:
    def build(folder: Path) -> None:
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(raw)
        configure(folder, signatures={"files": [name]})

    return build


def _custom(value: object) -> Callable:
    def build(folder: Path) -> None:
        configure(folder, signatures={"custom": value})

    return build


def _files(*names: str) -> Callable:
    def build(folder: Path) -> None:
        configure(folder, signatures={"files": list(names)})

    return build


def _twice(folder: Path) -> None:
    (folder / "a.gmt").write_text(_GMT)
    (folder / "b.gmt").write_text(_GMT.replace("IL6", "MDM2"))
    configure(folder, signatures={"files": ["a.gmt", "b.gmt"]})


def _panel(change: Callable[[dict], object] | str) -> Callable:
    def build(folder: Path) -> None:
        text = change if isinstance(change, str) else _changed(change)
        (folder / "panel.yaml").write_text(text)
        configure(folder, call={"panel": "panel.yaml"})

    return build


def _changed(change: Callable[[dict], object]) -> str:
    content = yaml.safe_load(resource("panels", "default.yaml").read_text(encoding="utf-8"))
    change(content)
    return yaml.safe_dump(content)


def _markers(content: str | None) -> Callable:
    def build(folder: Path) -> None:
        from senoscore.ingest.ingest import ingest

        row = {"dataset": "d", "path": str(folder / "data.h5ad"), "organism": "human"}
        ingest(
            {**row, "sample_column": "sample"},
            samples=["s1", "s2"],
            out=folder / "results" / "matrix" / "d.h5ad",
            genes_out=folder / "results" / "matrix" / "d.genes.tsv",
        )
        if content is not None:
            (folder / "markers.tsv").write_text(content)
        configure(folder, compartments={"markers": "markers.tsv"})

    return build


def _no_sample(folder: Path) -> None:
    data = anndata()
    data.obs = data.obs.rename(columns={"sample": "colour"})
    data.write_h5ad(folder / "new.h5ad")


def _no_var(folder: Path) -> None:
    anndata().write_h5ad(folder / "new.h5ad")
    with h5py.File(folder / "new.h5ad", "a") as file:
        del file["var"]


_MARKERS = ("compartments", "--dataset", "d", "--samples", "samples.tsv")
_INIT = ("init", "new.h5ad", "--out", "proposed")
CASES = [
    Case("signatures_absent", _files("no.gmt"), ("no.gmt: no such signature file",), SIGNATURES),
    Case("signatures_unknown_kind", _file("x.docx", "x"), ("no signature or category 'x.docx'", ".gmt"), SIGNATURES),
    Case("signatures_is_a_folder", lambda folder: ((folder / "x.gmt").mkdir(), configure(folder, signatures={"files": ["x.gmt"]})), ("x.gmt: cannot be read",), SIGNATURES),
    Case("gmt_spaces", _file("x.gmt", "mine none TP53 CDKN1A\n"), ("line 1: expected name, description and genes",), SIGNATURES),
    Case("gmt_empty", _file("x.gmt", ""), ("x.gmt: no gene sets",), SIGNATURES),
    Case("gmt_set_twice", _file("x.gmt", _GMT + _GMT), ("line 2", "'mine' (up) is duplicated"), SIGNATURES),
    Case("gmt_latin1", _file("x.gmt", "mine\tSéné\tTP53\n".encode("latin-1")), ("x.gmt: cannot be read", "UTF-8"), SIGNATURES),
    Case("gmt_gz_truncated", _file("x.gmt.gz", gzip.compress(_GMT.encode() * 99)[:-12]), ("x.gmt.gz: cannot be read",), SIGNATURES),
    Case("gmt_gz_corrupt", _file("x.gmt.gz", gzip.compress(_GMT.encode())[:12] + b"\xff" * 40), ("x.gmt.gz: cannot be read",), SIGNATURES),
    Case("gmt_gz_bomb", _file("x.gmt.gz", gzip.compress(bytes(1 << 27), 9)), ("x.gmt.gz", "more than"), SIGNATURES),
    Case("gmt_name_empty", _file("x.gmt", _GMT.replace("mine", "")), ("invalid signature name ''",), SIGNATURES),
    Case("gmt_names_become_one", _file("x.gmt", _GMT.replace("mine", "m(e)") + _GMT.replace("mine", "m e")), ("line 2: 'm(e)' and 'm e' both become 'm_e'", "rename one"), SIGNATURES),
    Case("gmt_nul", _file("x.gmt", _GMT.replace("IL6", "IL\0006")), ("x.gmt", "NUL"), SIGNATURES),
    Case("gmt_gene_too_long", _file("x.gmt", _GMT.replace("IL6", "A" * 10_000)), ("'mine': 'AAA", "at most 100 characters"), SIGNATURES),
    Case("gmt_gene_escape", _file("x.gmt", _GMT.replace("IL6", "C\x1b[2JD")), ("is not a gene name", "printable"), SIGNATURES),
    Case("gmt_gene_right_to_left", _file("x.gmt", _GMT.replace("IL6", "A\u202eB")), ("is not a gene name", "printable"), SIGNATURES),
    Case("gmt_title_too_long", _file("x.gmt", _GMT.replace("none", "x" * 10_000)), ("'mine': title is 'xxx", "at most 1,000"), SIGNATURES),
    Case("gmt_title_escape", _file("x.gmt", _GMT.replace("none", "a\x0bb\x85c")), ("'mine': title is", "printable"), SIGNATURES),
    Case("gmt_both_directions", _file("x.gmt", "x_UP\t\tTP53\nx_DN\t\tTP53\n"), ("in up and in down: TP53",), SIGNATURES),
    Case("gmt_twice_in_two_files", _twice, ("signature 'mine' differs between a.gmt and b.gmt",), SIGNATURES),
    Case("tsv_no_column", _file("x.tsv", _TSV.replace("target", "tarjet")), ("no column target", "source, target"), SIGNATURES),
    Case("tsv_weight_zero", _file("x.tsv", _TSV.replace("-2", "0")), ("row 2: weight of mine/IL6",), SIGNATURES),
    Case("tsv_weight_word", _file("x.tsv", _TSV.replace("-2", "strong")), ("row 2: weight of mine/IL6 is 'strong'",), SIGNATURES),
    Case("tsv_weight_comma", _file("x.tsv", _TSV.replace("-2", "-0,5")), ("row 2: weight of mine/IL6 is '-0,5'",), SIGNATURES),
    Case("tsv_weight_infinite", _file("x.tsv", _TSV.replace("-2", "inf")), ("row 2: weight of mine/IL6",), SIGNATURES),
    Case("tsv_two_weights", _file("x.tsv", _TSV + "mine\tTP53\t5\n"), ("TP53 with weights",), SIGNATURES),
    Case("tsv_direction", _file("x.tsv", "signature\tgene\tdirection\nmine\tTP53\tupp\n"), ("direction 'upp'", "up or down"), SIGNATURES),
    Case("tsv_ragged", _file("x.tsv", _TSV + "mine\tA\t1\t2\t3\t4\n"), ("x.tsv",), SIGNATURES),
    Case("tsv_field_without_column", _file("x.tsv", "source\ttarget\nmine\tTP53\tIL6\nmine\tCDKN1A\tCD68\n"), ("x.tsv: not a table", "Expected 2 fields in line 2, saw 3"), SIGNATURES),
    Case("tsv_fields_missing", _file("x.tsv", _TSV + "mine\tIL8\n"), ("row 3: weight of mine/IL8 is ''",), SIGNATURES),
    Case("tsv_column_twice", _file("x.tsv", _TSV.replace("weight", "target")), ("column 'target' is duplicated",), SIGNATURES),
    Case("yaml_title_is_a_list", _file("x.yaml", "mine: {up: [TP53], title: [a]}\n"), ("'mine': title is",), SIGNATURES),
    Case("tsv_empty", _file("x.tsv", ""), ("x.tsv",), SIGNATURES),
    Case("tsv_header_only", _file("x.tsv", "source\ttarget\n"), ("x.tsv",), SIGNATURES),
    Case("tsv_gene_missing", _file("x.tsv", _TSV + "mine\t\t1\n"), ("x.tsv",), SIGNATURES),
    Case("yaml_broken", _file("x.yaml", "mine: [TP53\n"), ("x.yaml: not valid YAML",), SIGNATURES),
    Case("yaml_key_twice", _file("x.yaml", "mine: [TP53]\nmine: [IL6]\n"), ("'mine' is duplicated (line 2)",), SIGNATURES),
    Case("yaml_unknown_field", _file("x.yaml", "mine: {upp: [TP53]}\n"), ("unknown fields upp",), SIGNATURES),
    Case("yaml_no_genes", _file("x.yaml", "mine: []\n"), ("'mine' has no genes",), SIGNATURES),
    Case("yaml_gene_is_a_truth", _file("x.yaml", "mine: [NO, TP53]\n"), ("False is not a gene name", "quote gene names"), SIGNATURES),
    Case("yaml_gene_is_a_date", _file("x.yaml", "mine: [2024-03-01, TP53]\n"), ("is not a gene name",), SIGNATURES),
    Case("yaml_gene_in_lists", _file("x.yaml", "mine: [[TP53], [IL6]]\n"), ("x.yaml", "'mine'"), SIGNATURES),
    Case("yaml_weight_word", _file("x.yaml", "mine: {up: [TP53], weights: {TP53: much}}\n"), ("'mine'",), SIGNATURES),
    Case("yaml_weights_in_a_list", _file("x.yaml", "mine: {up: [TP53], weights: [1]}\n"), ("'mine'",), SIGNATURES),
    Case("yaml_foreign_weight", _file("x.yaml", "mine: {up: [TP53], weights: {IL6: 2}}\n"), ("weights for genes not in it: IL6",), SIGNATURES),
    Case("yaml_organism", _file("x.yaml", "mine: {up: [TP53], organism: rat}\n"), ("unknown organism 'rat'",), SIGNATURES),
    Case("yaml_python_tag", _file("x.yaml", "mine: !!python/object/apply:os.system ['touch pwned']\n"), ("not valid YAML",), SIGNATURES),
    Case("yaml_deep", _file("x.yaml", "mine: " + "[" * 20_000), ("x.yaml", "nested"), SIGNATURES),
    Case("yaml_alias_bomb", _file("x.yaml", "a: &a [x]\nb: [*a]\n"), ("x.yaml", "alias"), SIGNATURES),
    Case("yaml_text", _file("x.yaml", "TP53\n"), ("expected signature names",), SIGNATURES),
    Case("yaml_list_as_key", _file("x.yaml", "? [a]\n: [TP53]\n"), ("x.yaml",), SIGNATURES),
    Case("custom_text", _custom({"mine": "TP53"}), ("'mine' is str, expected a list of genes",), SIGNATURES),
    Case("custom_numbers", _custom({"mine": [1, 2]}), ("1 is not a gene name",), SIGNATURES),
    Case("custom_name_reserved", _custom({"a" * 100: ["TP53"]}), ("invalid signature name",), SIGNATURES),
    Case("use_unknown", lambda folder: configure(folder, signatures={"use": ["senmayoo"]}), ("senmayo",), SIGNATURES),
    Case("panel_absent", lambda folder: configure(folder, call={"panel": "no.yaml"}), ("no.yaml",), SIGNATURES),
    Case("panel_no_yaml", _panel("name: [x"), ("panel.yaml",), SIGNATURES),
    Case("panel_list", _panel("- a\n"), ("panel.yaml",), SIGNATURES),
    Case("panel_deep", _panel("name: " + "[" * 20_000), ("panel.yaml", "nested"), SIGNATURES),
    Case("panel_no_axes", _panel(lambda p: p.pop("axes")), ("panel.yaml", "axes"), SIGNATURES),
    Case("panel_unknown_state", _panel(lambda p: p["states"][0].update(state="zombie")), ("panel.yaml", "zombie"), SIGNATURES),
    Case("panel_unknown_signature", _panel(lambda p: p["axes"][0]["parts"].append({"signature": "nowhere"})), ("panel.yaml", "nowhere"), SIGNATURES),
    Case("panel_rule_of_itself", _panel(lambda p: p["definitions"].update({p["composite"]: p["composite"]})), ("panel.yaml",), SIGNATURES),
    Case("markers_absent", _markers(None), ("markers.tsv",), _MARKERS),
    Case("markers_no_column", _markers("cell_type\tgene\nt_cell\tCD3E\n"), ("markers.tsv", "compartment"), _MARKERS),
    Case("markers_empty", _markers(""), ("markers.tsv",), _MARKERS),
    Case("markers_too_few", _markers("compartment\tgene\nt_cell\tCD3E\n"), ("no compartment has 3 markers",), _MARKERS),
    Case("init_absent", lambda folder: None, ("new.h5ad not found",), _INIT),
    Case("init_no_h5ad", lambda folder: (folder / "new.h5ad").write_text("x"), ("new.h5ad cannot be read as HDF5",), _INIT),
    Case("init_no_sample", _no_sample, ("no obs column looks like samples", "colour"), _INIT),
    Case("init_no_genes", _no_var, ("new.h5ad",), _INIT),
    Case("init_would_replace", lambda folder: anndata().write_h5ad(folder / "new.h5ad"), ("would be replaced", "--force"), ("init", "new.h5ad", "--out", ".")),
]  # fmt: skip
