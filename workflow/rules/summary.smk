# From cells to samples to answers. The sample is the unit from here on.

# Tables of cells, which are there before any of these rules runs; memory and time go by them.
CELLS = ["calls", "scores", "qc"]


rule burden:
    """One row per sample and compartment: cells, states, excess over control, mean scores."""
    input:
        calls=expand("results/calls/{dataset}.parquet", dataset=DATASETS.index),
        scores=expand("results/scores/{dataset}.parquet", dataset=DATASETS.index),
        qc=expand("results/cells/{dataset}.qc.parquet", dataset=DATASETS.index),
        samples=config["samples"],
    output:
        burden="results/summary/burden.tsv",
        tissue="results/summary/burden_tissue.tsv",
    log:
        "logs/burden.log",
    benchmark:
        "logs/benchmarks/burden.tsv"
    resources:
        mem_mb=megabytes(factor=2, base=1500, of=CELLS),
        runtime=minutes(per_gb=5, base=20, of=CELLS),
    params:
        datasets=list(DATASETS.index),
        settings=settings("burden", "call", "score", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore burden \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            {params.datasets:q} \
            &> {log:q}
        """


rule confounders:
    """What travels with the scores besides irradiation: depth, cell cycle, composition."""
    input:
        calls=expand("results/calls/{dataset}.parquet", dataset=DATASETS.index),
        scores=expand("results/scores/{dataset}.parquet", dataset=DATASETS.index),
        qc=expand("results/cells/{dataset}.qc.parquet", dataset=DATASETS.index),
        burden="results/summary/burden.tsv",
        samples=config["samples"],
    output:
        "results/summary/confounders.tsv",
    log:
        "logs/confounders.log",
    benchmark:
        "logs/benchmarks/confounders.tsv"
    resources:
        mem_mb=megabytes(factor=2, base=1500, of=CELLS),
        runtime=minutes(per_gb=5, base=20, of=CELLS),
    params:
        datasets=list(DATASETS.index),
        settings=settings("trend", "call", "score", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore confounders \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            {params.datasets:q} \
            &> {log:q}
        """


rule substates:
    """Shares of macrophage, fibroblast and astrocyte sub-states in every sample."""
    input:
        compartments=expand(
            "results/cells/{dataset}.compartments.parquet", dataset=DATASETS.index
        ),
        qc=expand("results/cells/{dataset}.qc.parquet", dataset=DATASETS.index),
        table=(
            [config["compartments"]["substates"]]
            if config["compartments"]["substates"]
            else []
        ),
    output:
        "results/summary/substates.tsv",
    log:
        "logs/substates.log",
    benchmark:
        "logs/benchmarks/substates.tsv"
    resources:
        mem_mb=megabytes(factor=2, base=1500, of=["compartments", "qc"]),
        runtime=minutes(per_gb=5, base=20, of=["compartments", "qc"]),
    params:
        datasets=list(DATASETS.index),
        settings=settings("compartments.substates", "burden.min_cells"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore substates \
            --settings {params.settings:q} \
            --results results \
            {params.datasets:q} \
            &> {log:q}
        """


rule pseudobulk:
    """Summed counts, genes that change, and their signatures; minutes, so only if asked for."""
    input:
        matrix=expand("results/matrix/{dataset}.h5ad", dataset=DATASETS.index),
        compartments=expand(
            "results/cells/{dataset}.compartments.parquet", dataset=DATASETS.index
        ),
        qc=expand("results/cells/{dataset}.qc.parquet", dataset=DATASETS.index),
        scores=expand("results/scores/{dataset}.parquet", dataset=DATASETS.index),
        signatures="results/signatures.tsv",
        burden="results/summary/burden.tsv",
        samples=config["samples"],
    output:
        profiles="results/summary/pseudobulk.h5ad",
        scores="results/summary/pseudobulk_scores.tsv",
        contrasts="results/summary/de.tsv",
        genes="results/summary/de_genes.parquet",
        enrichment="results/summary/enrichment.tsv",
    log:
        "logs/pseudobulk.log",
    benchmark:
        "logs/benchmarks/pseudobulk.tsv"
    resources:
        mem_mb=megabytes(factor=0.5, base=4000),
        runtime=minutes(per_gb=10, base=60),
    params:
        datasets=list(DATASETS.index),
        settings=settings("burden", "trend", "score", "gate", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore pseudobulk \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            {params.datasets:q} \
            &> {log:q}
        """


rule trend:
    """Contrasts and trends at the level of samples, with the label check."""
    input:
        burden="results/summary/burden.tsv",
        samples=config["samples"],
    output:
        trend="results/summary/trend.tsv",
        readouts="results/summary/readouts.tsv",
        sensitivity="results/summary/sensitivity.tsv",
        labels="results/summary/label_check.tsv",
    log:
        "logs/trend.log",
    benchmark:
        "logs/benchmarks/trend.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        settings=settings("trend", "score", "call.profile_method", "control_treatment"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore trend \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            &> {log:q}
        """


rule export:
    """One AnnData with every per-cell result, to join with the matrices in a notebook."""
    input:
        calls=expand("results/calls/{dataset}.parquet", dataset=DATASETS.index),
        scores=expand("results/scores/{dataset}.parquet", dataset=DATASETS.index),
        qc=expand("results/cells/{dataset}.qc.parquet", dataset=DATASETS.index),
    output:
        "results/senoscore.h5ad",
    log:
        "logs/export.log",
    benchmark:
        "logs/benchmarks/export.tsv"
    resources:
        mem_mb=megabytes(factor=4, base=1500, of=CELLS),
        runtime=minutes(per_gb=5, base=20, of=CELLS),
    params:
        datasets=list(DATASETS.index),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore export \
            --results results \
            {params.datasets:q} \
            &> {log:q}
        """


rule report:
    """One self-contained page, figures as files, and where every number came from."""
    input:
        genes=expand("results/matrix/{dataset}.genes.tsv", dataset=DATASETS.index),
        qc=expand("results/cells/{dataset}.qc_samples.tsv", dataset=DATASETS.index),
        coverage=expand("results/scores/{dataset}.coverage.tsv", dataset=DATASETS.index),
        calibration="results/calibration.parquet",
        rates="results/calibration_rates.tsv",
        calls=expand("results/calls/{dataset}.parquet", dataset=DATASETS.index),
        burden="results/summary/burden.tsv",
        trend="results/summary/trend.tsv",
        families="results/summary/families.tsv",
        labels="results/summary/label_check.tsv",
        confounders="results/summary/confounders.tsv",
        window="results/summary/window.tsv",
        targets="results/summary/targets.tsv",
        crosstalk="results/summary/crosstalk.tsv",
        samples=config["samples"],
    output:
        report="results/report.html",
        provenance="results/provenance.json",
        figures=directory("results/figures"),
    log:
        "logs/report.log",
    benchmark:
        "logs/benchmarks/report.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        datasets=list(DATASETS.index),
        settings=settings(*config),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore report \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            --benchmarks logs/benchmarks \
            {params.datasets:q} \
            &> {log:q}
        """
