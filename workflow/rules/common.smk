"""Read and validate config and sheets; input functions. No rules."""

import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

from senoscore import __version__ as SENOSCORE_VERSION
from senoscore.inference.trend import NAMES, check_formula
from senoscore.io.yaml import load_config_file
from senoscore.io.extras import need_extra
from senoscore.io.tables import read_tsv
from senoscore.run.config import validate_config
from senoscore.run.layout import OTHER_TABLES, SUMMARIES
from senoscore.run.questions import asked, check_questions
from senoscore.study.drugs import design_extras
from senoscore.study.sheets import check_sheets, read_datasets, read_samples
from senoscore.io.atomic import TEMPORARY_PREFIX
from senoscore.ingest.formats import source_files
from senoscore.scoring.pieces import count_cells, count_shards, largest_sample
from senoscore.calling.panel import find_panel

# Commands come from the environment that Snakemake itself runs in, activated or not; or from the
# image, where that environment is out of sight.
if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method:
    if not Path("senoscore.sif").exists():
        raise WorkflowError(
            "senoscore.sif not found — build it in the checkout with `apptainer build "
            "senoscore.sif workflow/envs/senoscore.def` and put it where the workflow runs, or "
            "leave out --sdm apptainer"
        )
else:
    shell.prefix(
        f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; '
    )

# Snakemake's own reader lets the last of two equal keys win. What it has read is read again, with
# care, unless another workflow that uses this one answers for the config.
if not workflow.modifier.skip_configfile:
    for file in workflow.configfiles:
        load_config_file(file)

config = validate_config(config, source="the config given to Snakemake")

DATASETS = read_datasets(config["datasets"]).set_index("dataset", drop=False)
check_sheets(DATASETS, read_samples(config["samples"]))
# Found out here, not by the last job but three of a long run.
if config["trend"]["formula"] is not None:
    check_formula(
        config["trend"]["formula"],
        [*NAMES, *design_extras(read_samples(config["samples"]))],
    )


N_CELLS = {
    row.dataset: count_cells(row.path, format=row.format)
    for row in DATASETS.itertuples()
}
# Pieces that each dataset is scored in. Only time hangs on it: results are the same bits.
SHARDS = {
    name: count_shards(
        n, max(config["score"]["shard_cells"], config["score"]["block_cells"])
    )
    for name, n in N_CELLS.items()
}


# In another workflow `prefix:` and `replace_prefix:` move what this one writes. What the config
# names is where the config says.
IS_MODULE = workflow.modifier.skip_configfile


def given(path):
    """A file that the config names, which no prefix of a module moves."""
    return local(path) if IS_MODULE else path


def one_of(names):
    """A wildcard pattern for these names; for none of them one that matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=one_of(DATASETS.index),
    part=r"\d+",
    of=r"\d+",


def settings(*names):
    """Config sections or single keys (`call.panel`) as JSON: a change elsewhere re-runs nothing.

    A function, since Snakemake looks for wildcards in texts, and a title may have `{word}` in it.
    """
    chosen = {}
    for name in names:
        section, _, key = name.partition(".")
        if key:
            chosen.setdefault(section, {})[key] = config[section][key]
        else:
            chosen[section] = config[section]
    text = json.dumps(chosen, sort_keys=True)
    return lambda wildcards: text


def dataset_row(wildcards):
    """The sheet's row as JSON: a change in another row re-runs nothing."""
    return DATASETS.loc[wildcards.dataset].to_json()


def dataset_files(wildcards):
    """The input of the dataset of a job."""
    return files_of(wildcards.dataset)


def files_of(dataset):
    """The input of one dataset: a file, or the three of a 10x matrix."""
    row = DATASETS.loc[dataset]
    return [given(str(f)) for f in source_files(row["path"], format=row["format"])]


def all_files():
    """The input of all datasets."""
    return [file for name in DATASETS.index for file in files_of(name)]


def each(path):
    """This path for every dataset, in the order of the sheet."""
    return expand(path, dataset=DATASETS.index)


def shown(path):
    """A table that `snakemake --report` shows, with what it is."""
    category, said = {**SUMMARIES, **OTHER_TABLES}[
        Path(path).stem.replace("{dataset}.", "")
    ]
    labels = {"table": Path(path).name, "what it is": said}
    return report(path, caption="../report/table.rst", category=category, labels=labels)


def about_figure(wildcards, output):
    """Title and caption of a figure, as the page has them."""
    captions = read_tsv(Path(output.figures) / "captions.tsv").set_index("figure")
    said = captions.loc[wildcards.figure, ["title", "caption"]]
    # Snakemake fills in wildcards.
    return {
        name: text.replace("{", "(").replace("}", ")") for name, text in said.items()
    }


def options(*names):
    """Input of these names as words of a command: `--qc FILE --qc FILE` for two datasets.

    Files of several datasets are in the order of `DATASETS`, in which their names are passed too.
    """

    def words(wildcards, input):
        return [
            word
            for name in names
            for file in getattr(input, name)
            for word in (f"--{name.replace('_', '-')}", file)
        ]

    return words


def size_mb(input, of, add=sum):
    """Size of the input, or of the lists of files in it that are named (no single files).

    A job that travels in a group is asked for before any of the group runs. What others of its
    group write is not there yet, and must not be among them: Snakemake would leave the job
    out when it adds up what the group needs.
    """
    files = [file for name in of for file in getattr(input, name)]
    return (
        add(Path(file).stat().st_size for file in files) / 1e6 if of else input.size_mb
    )


MOST_MB = 64_000


def megabytes(factor, base, of=(), add=sum):
    """Memory in MB that grows with the input, up to a limit, and with each attempt.

    `add=max` is for what reads one file after the other and so needs room for the largest.
    """
    return lambda wildcards, input, attempt: int(
        min(base + factor * size_mb(input, of, add), MOST_MB) * attempt
    )


def sample_megabytes(factor, per_value, base):
    """Likewise, and with the largest sample of the matrix: bytes for each of its values."""
    return lambda wildcards, input, attempt: int(
        min(
            base + factor * input.size_mb + per_value * largest_sample(input[0]) / 1e6,
            MOST_MB,
        )
        * attempt
    )


def minutes(per_gb, base, of=()):
    """Wall time in minutes, likewise."""
    return lambda wildcards, input, attempt: int(
        (base + per_gb * size_mb(input, of) / 1000) * attempt
    )


def scoring_threads(wildcards):
    """Two where cells and cores are many.

    A small job is faster by a third with two threads, two jobs by twice. And on two or three cores
    a job of two threads would wait for both, and leave one idle, while another takes long.
    """
    cores = workflow.resource_settings.cores
    few = cores is not None and cores < 4
    return 1 if few or N_CELLS[wildcards.dataset] <= 50_000 else 2


def shards(wildcards):
    """The pieces of one dataset, in order."""
    of = SHARDS[wildcards.dataset]
    piece = f"results/scores/{wildcards.dataset}.shards/{{part}}_of_{of}.parquet"
    return expand(piece, part=range(of))


def sums_of_all():
    """Sums of every data set, piece by piece."""
    return [
        f"results/programme/{name}.sums/{part}_of_{of}.npz"
        for name, of in SHARDS.items()
        for part in range(of)
    ]


LEARNS = config["call"]["engine"] != "panel"
LEARNED_TABLES = (
    expand("results/summary/{name}.tsv", name=["programme", "engines", "prevalence"])
    if LEARNS
    else []
)


# Found out here that its library is missing, not by a job after all others.
EMBEDDING = ["results/embedding.tsv"] if config["embedding"]["cells"] else []
if EMBEDDING:
    need_extra("scanpy", extra="embedding", what="embedding.cells in the config")


def panel_file():
    """The panel's file: a change in it re-runs signatures and scores, and what follows on them."""
    return given(str(find_panel(config["call"]["panel"])))


def measured():
    """What was measured beside the matrix: that of which config or sheet name something."""
    columns = read_samples(config["samples"]).columns
    named = {
        "blood": config["plasma"],
        "external": config["external"] or any(c.startswith("ext_") for c in columns),
        "outcome": config["outcome"]["table"],
    }
    return [name for name, file in named.items() if file]


def tests_of_measured():
    """Tables of tests of what was measured beside the matrix."""
    return expand("results/summary/{name}.tsv", name=measured())


def values_of_measured():
    """Tables of the values behind those tests."""
    names = {
        "blood": "blood_changes",
        "external": "external_pairs",
        "outcome": "outcome_subjects",
    }
    return [f"results/summary/{names[name]}.tsv" for name in measured()]


SAMPLES = given(config["samples"])
PANEL = panel_file()
