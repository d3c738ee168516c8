"""Read and validate config and sheets; input functions. No rules."""

import json
import re
import shlex
import sys
from pathlib import Path

from senoscore import __version__ as SENOSCORE_VERSION
from senoscore.config import validate_config
from senoscore.design import check_sheets, read_datasets, read_samples
from senoscore.panel import find_panel

# Commands come from the environment that Snakemake itself runs in, activated or not.
shell.prefix(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; ')

config = validate_config(config, source="the config given to Snakemake")

DATASETS = read_datasets(config["datasets"]).set_index("dataset", drop=False)
check_sheets(DATASETS, read_samples(config["samples"]))


wildcard_constraints:
    dataset="|".join(map(re.escape, DATASETS.index)),


def settings(*names):
    """Config sections or single keys (`call.panel`) as JSON: a change elsewhere re-runs nothing."""
    chosen = {}
    for name in names:
        section, _, key = name.partition(".")
        if key:
            chosen.setdefault(section, {})[key] = config[section][key]
        else:
            chosen[section] = config[section]
    return json.dumps(chosen, sort_keys=True)


def dataset_row(wildcards):
    """The sheet's row as JSON: a change in another row re-runs nothing."""
    return DATASETS.loc[wildcards.dataset].to_json()


def dataset_files(wildcards):
    """The input of one dataset: a file, or every file of a 10x folder."""
    path = Path(DATASETS.loc[wildcards.dataset, "path"])
    return sorted(map(str, path.iterdir())) if path.is_dir() else str(path)


def matrix_mb(factor, base):
    """Memory in MB that grows with the input and with each attempt."""
    return lambda wildcards, input, attempt: int(
        (base + factor * input.size_mb) * attempt
    )


def panel_file():
    """The panel's file: a change in its rules re-runs the call."""
    return str(find_panel(config["call"]["panel"]))
