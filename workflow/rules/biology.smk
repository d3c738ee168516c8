# What the burden means: states over time, targets, plasma, crosstalk.


rule window:
    """States and phases of every compartment, drug targets, escape, and the plasma panel."""
    input:
        matrices=expand("results/matrix/{dataset}.h5ad", dataset=DATASETS.index),
        qc=expand("results/cells/{dataset}.qc.parquet", dataset=DATASETS.index),
        compartments=expand(
            "results/cells/{dataset}.compartments.parquet", dataset=DATASETS.index
        ),
        scores=expand("results/scores/{dataset}.parquet", dataset=DATASETS.index),
        calls=expand("results/calls/{dataset}.parquet", dataset=DATASETS.index),
        signatures="results/signatures.tsv",
        burden="results/summary/burden.tsv",
        trend="results/summary/trend.tsv",
        samples=config["samples"],
        plasma=[config["plasma"]] if config["plasma"] else [],
        rules=[config["window"]["rules"]] if config["window"]["rules"] else [],
    output:
        times="results/summary/window.tsv",
        phases="results/summary/window_phases.tsv",
        contrasts="results/summary/window_contrasts.tsv",
        targets="results/summary/targets.tsv",
        escape="results/summary/escape.tsv",
        plasma="results/summary/plasma.tsv",
    log:
        "logs/window.log",
    benchmark:
        "logs/benchmarks/window.tsv"
    resources:
        mem_mb=megabytes(factor=1, base=2000, of=["matrices"], add=max),
        runtime=minutes(per_gb=10, base=20, of=["matrices"]),
    params:
        datasets=list(DATASETS.index),
        settings=settings(
            "window",
            "plasma",
            "phases",
            "trend",
            "call",
            "burden",
            "score.methods",
            "score.block_cells",
            "control_treatment",
        ),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore window \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            {params.datasets:q} \
            &> {log:q}
        """


rule crosstalk:
    """SASP ligands of senescent cells against receptors of other compartments, over time."""
    input:
        matrices=expand("results/matrix/{dataset}.h5ad", dataset=DATASETS.index),
        qc=expand("results/cells/{dataset}.qc.parquet", dataset=DATASETS.index),
        calls=expand("results/calls/{dataset}.parquet", dataset=DATASETS.index),
        signatures="results/signatures.tsv",
        burden="results/summary/burden.tsv",
    output:
        "results/summary/crosstalk.tsv",
    log:
        "logs/crosstalk.log",
    benchmark:
        "logs/benchmarks/crosstalk.tsv"
    resources:
        mem_mb=megabytes(factor=1, base=2000, of=["matrices"], add=max),
        runtime=minutes(per_gb=10, base=20, of=["matrices"]),
    params:
        datasets=list(DATASETS.index),
        settings=settings(
            "crosstalk",
            "phases",
            "trend.alpha",
            "call",
            "score.block_cells",
            "control_treatment",
        ),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore crosstalk \
            --settings {params.settings:q} \
            --results results \
            {params.datasets:q} \
            &> {log:q}
        """


rule families:
    """Every family of tests: one named question, and what was adjusted together in it."""
    input:
        trend="results/summary/trend.tsv",
        contrasts="results/summary/window_contrasts.tsv",
        targets="results/summary/targets.tsv",
        crosstalk="results/summary/crosstalk.tsv",
    output:
        "results/summary/families.tsv",
    log:
        "logs/families.log",
    benchmark:
        "logs/benchmarks/families.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 20 * attempt,
    params:
        settings=settings("trend.fdr"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore families \
            --settings {params.settings:q} \
            --results results \
            &> {log:q}
        """
