"""Sheets and configurations that cannot be used."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.bad_inputs.study import (
    CHECK,
    GENES,
    SIGNATURES,
    Case,
    configure,
    dataset,
    write_10x,
    write_h5ad,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROWS = (
    "sample\ttreatment\tdose_gy\ttime_post_rt\ttime_unit\n"
    "s1\tcontrol\t0\t\t\ns2\tirradiated\t10\t7\td\n"
)
_DATASETS = "dataset\tpath\torganism\tsample_column\nd\tdata.h5ad\thuman\tsample\n"


_SECOND = "e\tdata.h5ad\thuman\tsample\n"


def _samples(content: str | bytes) -> Callable:
    def build(folder: Path) -> None:
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / "samples.tsv").write_bytes(raw)

    return build


def _datasets(content: str) -> Callable:
    def build(folder: Path) -> None:
        (folder / "datasets.tsv").write_text(content, newline="")

    return build


def _swap(old: str, new: str, text: str = _ROWS) -> str:
    assert old in text
    return text.replace(old, new, 1)


def _config(content: str | bytes) -> Callable:
    def build(folder: Path) -> None:
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / "config" / "config.yaml").write_bytes(raw)

    return build


def _set(**sections: object) -> Callable:
    def build(folder: Path) -> None:
        configure(folder, **sections)

    return build


def _gone(name: str) -> Callable:
    def build(folder: Path) -> None:
        (folder / name).unlink()

    return build


def _unknown_sample(folder: Path) -> None:
    dataset(folder, "data.h5ad", sample="s3")


def _file_gone(folder: Path) -> None:
    dataset(folder, "elsewhere.h5ad", sample_column="sample")


def _linked_twice(folder: Path) -> None:
    (folder / "same.h5ad").symlink_to("data.h5ad")
    _datasets(_DATASETS + _SECOND.replace("data", "same"))(folder)


def _loop(folder: Path) -> None:
    (folder / "loop.h5ad").symlink_to("loop.h5ad")
    dataset(folder, "loop.h5ad", sample_column="sample")


def _tenx_twice(folder: Path) -> None:
    write_10x(folder / "tenx")
    head = "dataset\tpath\torganism\tsample\n"
    rows = "d\ttenx\thuman\ts1\ne\ttenx/matrix.mtx.gz\thuman\ts2\n"
    _datasets(head + rows)(folder)


_HEAD = "datasets: datasets.tsv\nsamples: samples.tsv\n"
_BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
)


def _copied(folder: Path) -> None:
    shutil.copyfile(folder / "data.h5ad", folder / "copy.h5ad")
    _datasets(_DATASETS + _SECOND.replace("data.h5ad", "copy.h5ad"))(folder)


def _mouse_ids(folder: Path) -> None:
    ids = [f"ENSMUSG{i:011d}.3" for i in range(len(GENES))]
    write_h5ad(folder / "data.h5ad", genes=ids)


def _bulk_table(folder: Path) -> None:
    """A table whose header and first rows are of human samples."""
    rows = ["gene\ts1\ts2", *(f"{gene}\t5\t{i}" for i, gene in enumerate(GENES))]
    (folder / "bulk.tsv").write_text("\n".join(rows) + "\n")
    dataset(folder, "bulk.tsv", assay="bulk", organism="mouse")


SHEETS = [
    Case("samples_absent", _gone("samples.tsv"), ("samples.tsv not found", "senoscore init"), CHECK),
    Case("samples_empty", _samples(""), ("samples.tsv is empty",), CHECK),
    Case("samples_header_only", _samples(_ROWS.split("\n")[0] + "\n"), ("a header but no rows",), CHECK),
    Case("samples_commas", _samples(_ROWS.replace("\t", ",")), ("has no tabs", "tab-separated"), CHECK),
    Case("samples_latin1", _samples(_swap("control", "contrôle").encode("latin-1")), ("not UTF-8 text", "save it as UTF-8"), CHECK),
    Case("samples_utf16", _samples(_ROWS.encode("utf-16")), ("not UTF-8 text",), CHECK),
    Case("samples_nul", _samples(_swap("s1", "s\0")), ("NUL byte",), CHECK),
    Case("samples_no_treatment", _samples(_swap("treatment", "ext_x")), ("no column 'treatment'",), CHECK),
    Case("samples_unknown_column", _samples(_swap("dose_gy", "dose_gray")), ("unknown column 'dose_gray'", "did you mean 'dose_gy'"), CHECK),
    Case("samples_column_twice", _samples(_swap("dose_gy", "sample")), ("column 'sample' is duplicated",), CHECK),
    Case("samples_field_too_many", _samples(_swap("7\td", "7\td\tx")), ("row 3", "6 fields, the header has 5"), CHECK),
    Case("samples_field_missing", _samples(_swap("7\td", "7")), ("row 3", "4 fields, the header has 5"), CHECK),
    Case("samples_row_twice", _samples(_swap("s2", "s1")), ("'s1' is there 2 times (rows 2, 3)",), CHECK),
    Case("samples_differ_by_case", _samples(_swap("s2", "S1")), ("'s1' and 'S1' differ by case only",), CHECK),
    Case("samples_name_empty", _samples(_swap("s2", "")), ("row 3: sample is ''",), CHECK),
    Case("samples_name_is_a_path", _samples(_swap("s2", "../s2")), ("sample is '../s2'", "letters, digits"), CHECK),
    Case("samples_dose_word", _samples(_swap("10", "ten")), ("row 3: dose_gy is 'ten', expected a number",), CHECK),
    Case("samples_dose_comma", _samples(_swap("10", "2,5")), ("dose_gy is '2,5'", "write decimals with a point"), CHECK),
    Case("samples_dose_underscore", _samples(_swap("10", "1_0")), ("dose_gy is '1_0', expected a number",), CHECK),
    Case("samples_dose_of_another_script", _samples(_swap("10", "١٢")), ("dose_gy is", "expected a number"), CHECK),
    Case("samples_dose_unit", _samples(_swap("10", "10 Gy")), ("dose_gy is '10 Gy'",), CHECK),
    Case("samples_dose_negative", _samples(_swap("10", "-10")), ("dose_gy is -10", "0 or more"), CHECK),
    Case("samples_dose_infinite", _samples(_swap("10", "inf")), ("dose_gy is 'inf'",), CHECK),
    Case("samples_time_without_unit", _samples(_swap("7\td", "7\t")), ("time_post_rt 7 has no unit",), CHECK),
    Case("samples_time_unit_unknown", _samples(_swap("7\td", "7\tfortnights")), ("time_unit is 'fortnights'",), CHECK),
    Case("samples_time_is_a_date", _samples(_swap("7\td", "7-Mar\td")), ("time_post_rt is '7-Mar'",), CHECK),
    Case("samples_fractions_in_parts", _samples(_swap("dose_gy", "n_fractions").replace("\t0\t", "\t\t").replace("10", "2.5")), ("n_fractions is 2.5, expected a whole number",), CHECK),
    Case("samples_modality_unknown", _samples(_swap("dose_gy", "modality").replace("\t0\t", "\t\t").replace("10", "protons")), ("modality is 'protons'", "did you mean 'proton'"), CHECK),
    Case("samples_without_one_of_the_data", _samples(_swap("s2", "s7")), ("not in the samples sheet: s2",)),
    Case("samples_is_a_folder", lambda folder: ((folder / "samples.tsv").unlink(), (folder / "samples.tsv").mkdir()), ("samples.tsv cannot be read",), CHECK),
    Case("samples_is_a_pipe", lambda folder: ((folder / "samples.tsv").unlink(), os.mkfifo(folder / "samples.tsv")), ("samples.tsv cannot be read (not a regular file)",), CHECK),
    Case("datasets_absent", _gone("datasets.tsv"), ("datasets.tsv not found",), CHECK),
    Case("datasets_file_absent", _file_gone, ("elsewhere.h5ad not found", "relative"), CHECK),
    Case("datasets_name_is_a_path", _datasets(_swap("\nd\t", "\n../../x\t", _DATASETS)), ("dataset is '../../x'",), CHECK),
    Case("datasets_name_is_a_command", _datasets(_swap("\nd\t", "\n; rm -rf ~\t", _DATASETS)), ("dataset is '; rm -rf ~'",), CHECK),
    Case("datasets_row_twice", _datasets(_DATASETS + _DATASETS.split("\n")[1] + "\n"), ("'d' is there 2 times",), CHECK),
    Case("datasets_organism", _datasets(_swap("human", "hunan", _DATASETS)), ("organism is 'hunan'", "did you mean 'human'"), CHECK),
    Case("datasets_no_organism", _datasets("dataset\tpath\tsample\nd\tdata.h5ad\ts1\n"), ("no column 'organism'",), CHECK),
    Case("datasets_no_path", _datasets(_swap("data.h5ad", "", _DATASETS)), ("path is ''",), CHECK),
    Case("datasets_no_sample", _datasets("dataset\tpath\torganism\nd\tdata.h5ad\thuman\n"), ("expected sample or sample_column, found none",), CHECK),
    Case("datasets_two_of_sample", _datasets("dataset\tpath\torganism\tsample\tsample_column\nd\tdata.h5ad\thuman\ts1\tsample\n"), ("found sample and sample_column",), CHECK),
    Case("datasets_unknown_sample", _unknown_sample, ("sample 's3', which the samples sheet does not have", "add a row"), CHECK),
    Case("datasets_unused_sample", lambda folder: dataset(folder, "data.h5ad", sample="s1"), ("no dataset holds sample 's2'",), CHECK),
    Case("datasets_same_file_twice", _datasets(_DATASETS + _SECOND), ("'d' and 'e' are the same file",), CHECK),
    Case("datasets_same_file_by_a_link", _linked_twice, ("'d' and 'e' are the same file",), CHECK),
    Case("datasets_same_folder_twice", _tenx_twice, ("'d' and 'e' are the same file", "matrix.mtx.gz"), CHECK),
    Case("datasets_same_content_twice", _copied, ("'d' and 'e' hold the same: data.h5ad and copy.h5ad",), CHECK),
    Case("datasets_sample_column_misspelt", lambda folder: dataset(folder, "data.h5ad", sample_column="smaple"), ("dataset 'd'", "no obs column 'smaple'", "columns there: sample"), CHECK),
    Case("datasets_compartment_column_misspelt", lambda folder: dataset(folder, "data.h5ad", sample_column="sample", compartment_column="celltype"), ("no obs column 'celltype'",), CHECK),
    Case("datasets_layer_absent", lambda folder: dataset(folder, "data.h5ad", sample_column="sample", layer="cuonts"), ("no layer 'cuonts'", "there are: X"), CHECK),
    Case("datasets_organism_of_the_symbols", lambda folder: dataset(folder, "data.h5ad", sample_column="sample", organism="mouse"), ("are human", "organism: human"), CHECK),
    Case("datasets_organism_of_the_ids", _mouse_ids, ("are mouse", "organism: mouse"), CHECK),
    Case("datasets_table_organism", _bulk_table, ("are human", "organism: human"), CHECK),
    Case("datasets_data_sample_not_in_sheet", _samples(_swap("s2", "s7")), ("not in the samples sheet: s2",), CHECK),
    Case("datasets_sheet_sample_not_in_data", _samples(_ROWS + "ghost\tcontrol\t0\t\t\n"), ("no dataset holds sample 'ghost'", "remove the row"), CHECK),
    Case("config_unknown_profile_method", _set(call={"profile_method": "wmaen"}), ("unknown method 'wmaen'", "wmean"), CHECK),
    Case("datasets_path_too_long", _datasets(_swap("data.h5ad", "x" * 5000, _DATASETS)), ("path is 'xxx", "too long"), CHECK),
    Case("datasets_path_of_braces", _datasets(_swap("data.h5ad", "{dataset}.h5ad", _DATASETS)), ("path is '{dataset}.h5ad'", "braces"), CHECK),
    Case("datasets_values_unknown", _datasets("dataset\tpath\torganism\tsample\tvalues\nd\tdata.h5ad\thuman\ts1\traw\n"), ("values is 'raw'",), CHECK),
    Case("datasets_not_that_one", lambda folder: None, ("dataset 'e' not found", "datasets: d"), ("ingest", "--dataset", "e", "--samples", "samples.tsv")),
    Case("datasets_row_is_no_json", lambda folder: None, ("--row is not valid JSON",), ("ingest", "--row", "{dataset: d}", "--samples", "samples.tsv")),
    Case("datasets_row_of_5000_digits", lambda folder: None, ("--row is not valid JSON",), ("ingest", "--row", '{"dataset": ' + "1" * 5000 + "}", "--samples", "samples.tsv")),
    Case("datasets_path_loops", _loop, ("loop.h5ad not found",), CHECK),
    Case("datasets_row_is_a_list", lambda folder: None, ("--row",), ("ingest", "--row", "[1]", "--samples", "samples.tsv")),
    Case("datasets_neither_row_nor_name", lambda folder: None, ("neither --row nor --dataset",), ("ingest", "--samples", "samples.tsv")),
]  # fmt: skip

CONFIGS = [
    Case("config_absent", _gone("config/config.yaml"), ("config.yaml not found", "--config"), CHECK),
    Case("config_no_yaml", _config("datasets: [a\nb: {"), ("is not usable YAML", "indentation"), CHECK),
    Case("config_latin1", _config("report: {title: Mäuse}\n".encode("latin-1")), ("cannot be read", "UTF-8"), CHECK),
    Case("config_list", _config("- datasets\n"), ("expected keys with values, found list",), CHECK),
    Case("config_text", _config("datasets.tsv\n"), ("expected keys with values, found str",), CHECK),
    Case("config_key_twice", _config(_HEAD + "samples: b.tsv\n"), ("key 'samples' is duplicated (line 3)",), CHECK),
    Case("config_unknown_key", _config(_HEAD + "scoer: {}\n"), ("unknown key 'scoer'", "did you mean 'score'"), CHECK),
    Case("config_unknown_inner_key", _config(_HEAD + "qc: {madz: 5}\n"), ("unknown key 'qc.madz'", "did you mean 'mads'"), CHECK),
    Case("config_number_as_text", _set(qc={"mads": "5"}), ("qc.mads is '5', expected number",), CHECK),
    Case("config_text_as_number", _set(report={"title": 5}), ("report.title is 5, expected string",), CHECK),
    Case("config_list_as_text", _set(score={"methods": "ucell"}), ("score.methods is 'ucell', expected array",), CHECK),
    Case("config_section_as_list", _set(score=["ucell"]), ("score is ['ucell'], expected object",), CHECK),
    Case("config_yes_as_number", _set(score={"seed": True}), ("score.seed is True, expected integer",), CHECK),
    Case("config_part_of_a_cell", _set(score={"block_cells": 10.5}), ("score.block_cells is 10.5, expected integer",), CHECK),
    Case("config_out_of_range", _set(call={"fdr": 1.5}), ("call.fdr is 1.5, expected less than 1",), CHECK),
    Case("config_nan", _config(_HEAD + "call: {fdr: .nan}\n"), ("call.fdr is nan",), CHECK),
    Case("config_infinite", _config(_HEAD + "qc: {mads: .inf}\n"), ("qc.mads is inf",), CHECK),
    Case("config_no_methods", _set(score={"methods": []}), ("score.methods",), CHECK),
    Case("config_unknown_method", _set(score={"methods": ["uccell"]}), ("uccell", "ucell"), CHECK),
    Case("config_unknown_doublets", _set(qc={"doublets": "maybe"}), ("qc.doublets is 'maybe'", "auto or off"), CHECK),
    Case("config_phases", _set(phases={"cuts_days": [28, 3]}), ("phases.cuts_days is [28, 3]", "ascending"), CHECK),
    Case("config_python_tag", _config(_HEAD + "report: !!python/object/apply:os.system ['touch pwned']\n"), ("is not usable YAML", "python/object/apply"), CHECK),
    Case("config_deep", _config("datasets: " + "[" * 20_000 + "\n"), ("config.yaml", "nested"), CHECK),
    Case("config_alias_bomb", _config(_BOMB), ("config.yaml", "alias"), CHECK),
    Case("config_alias_of_itself", _config(_HEAD + "signatures: &a {custom: *a}\n"), ("config.yaml", "alias"), CHECK),
    Case("config_mapping_as_key", _config("? {a: b}\n: c\n"), ("config.yaml",), CHECK),
    Case("config_title_too_long", _set(report={"title": "x" * 10_000}), ("report.title",), CHECK),
    Case("config_nul", _config(b"datasets: a\0b\n"), ("config.yaml",), CHECK),
    Case("config_nul_in_a_path", _set(samples="sam\0ples.tsv"), ("samples has a NUL character",), CHECK),
    Case("config_nul_in_a_list", _set(signatures={"files": ["a\0.gmt"]}), ("signatures.files.0 has a NUL character",), CHECK),
    Case("config_path_too_long", _set(signatures={"files": ["a" * 5000 + ".gmt"]}), ("signatures.files.0", "too long"), CHECK),
    Case("config_path_of_braces", _set(samples="{x}.tsv"), ("samples is '{x}.tsv'", "braces"), CHECK),
    Case("config_number_as_key", _config(_HEAD + "compartments: {mapping: {0: tumour, a: 3}}\n"), ("compartments.mapping has the key 0, expected text", "quote it: '0'"), CHECK),
    Case("config_nothing_as_key", _config(_HEAD + "~: 2\n1: 3\nx: 4\n"), ("the key None",), CHECK),
    Case("config_max_gb_endless", _set(ingest={"max_gb": 1e300}), ("ingest.max_gb is 1e+300, expected 1000000 or less",), CHECK),
    Case("config_seed_negative", _set(score={"seed": -1}), ("score.seed is -1, expected 0 or more",), CHECK),
    Case("config_weight_of_400_digits", _config(_HEAD + f"signatures: {{custom: {{m: {{up: [TP53], weights: {{TP53: 1{'0' * 400}}}}}}}}}\n"), ("'m'",), SIGNATURES),
    Case("config_formula_unknown_column", _set(trend={"formula": "~ nosuchcolumn"}), ("speaks of 'nosuchcolumn'",), CHECK),
    Case("config_formula_is_code", _set(trend={"formula": "~ os.system('x')"}), ("more than names, numbers",), CHECK),
    Case("config_formula_power", _set(trend={"formula": "~ (treatment + batch)**99999"}), ("more than names", "powers are not written out"), CHECK),
    Case("config_formula_empty", _set(trend={"formula": "   "}), ("formula ' ' is empty",), CHECK),
    Case("config_markers_absent", _set(compartments={"markers": "nothere.tsv"}), ("nothere.tsv cannot be read as a marker table",), CHECK),
    Case("config_mapping_unknown", _set(compartments={"mapping": {"a": "tumuor"}}), ("compartments.mapping: 'tumuor' is not a compartment", "did you mean 'tumour'"), CHECK),
    Case("config_exclude_unknown", _set(compartments={"exclude": ["nope"]}), ("compartments.exclude: 'nope' is not a compartment",), CHECK),
    Case("config_escape_unknown", _set(window={"escape": ["nope"]}), ("window.escape: 'nope' is not a compartment",), CHECK),
    Case("config_huge_number", _config(_HEAD + f"score: {{seed: {'9' * 5000}}}\n"), ("config.yaml",), CHECK),
    Case("config_impossible_date", _config(_HEAD + "report: {title: 2024-13-45}\n"), ("config.yaml",), CHECK),
    Case("config_settings_no_json", lambda folder: None, ("--settings is not valid JSON",), ("signatures", "--settings", "{qc: 5}")),
    Case("config_settings_deep", lambda folder: None, ("--settings is not valid JSON",), ("signatures", "--settings", "[" * 100_000)),
    Case("config_samples_in_its_place", lambda folder: None, ("samples.tsv",), ("check", "--config", "samples.tsv")),
    Case("config_sheet_of_the_other", _set(samples="datasets.tsv"), ("datasets.tsv",), CHECK),
]  # fmt: skip
CASES = [*SHEETS, *CONFIGS]
