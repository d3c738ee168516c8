# From input files to one row a cell: canonical matrix, quality, compartment, scores.
# Scores depend on matrix and signatures only, so they run beside qc and compartments.


rule signatures:
    """Resolve built-in and user signatures into one file, with their hash."""
    input:
        config["signatures"]["files"],
    output:
        "results/signatures.tsv",
    log:
        "logs/signatures.log",
    benchmark:
        "logs/benchmarks/signatures.tsv"
    params:
        settings=settings("signatures", "call.panel"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore signatures \
            --settings {params.settings:q} \
            --out {output:q} \
            &> {log:q}
        """


rule ingest:
    """Read one input file once; write canonical counts and what each gene became."""
    input:
        dataset_files,
    output:
        matrix="results/matrix/{dataset}.h5ad",
        genes="results/matrix/{dataset}.genes.tsv",
    log:
        "logs/ingest/{dataset}.log",
    benchmark:
        "logs/benchmarks/ingest/{dataset}.tsv"
    resources:
        mem_mb=matrix_mb(factor=12, base=1500),
    params:
        row=dataset_row,
        samples=config["samples"],
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore ingest \
            --row {params.row:q} \
            --samples {params.samples:q} \
            --results results \
            &> {log:q}
        """


rule qc:
    """Metrics, limits per sample, doublets; every dropped cell keeps its reason."""
    input:
        "results/matrix/{dataset}.h5ad",
    output:
        cells="results/cells/{dataset}.qc.parquet",
        samples="results/cells/{dataset}.qc_samples.tsv",
    log:
        "logs/qc/{dataset}.log",
    benchmark:
        "logs/benchmarks/qc/{dataset}.tsv"
    resources:
        mem_mb=matrix_mb(factor=20, base=2000),
    params:
        settings=settings("qc"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore qc \
            --dataset {wildcards.dataset:q} \
            --settings {params.settings:q} \
            --results results \
            &> {log:q}
        """


rule compartments:
    """Which compartment each cell belongs to, from a column or from markers."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        samples=config["samples"],
    output:
        "results/cells/{dataset}.compartments.parquet",
    log:
        "logs/compartments/{dataset}.log",
    benchmark:
        "logs/benchmarks/compartments/{dataset}.tsv"
    resources:
        mem_mb=matrix_mb(factor=20, base=2000),
    params:
        settings=settings("compartments"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore compartments \
            --dataset {wildcards.dataset:q} \
            --samples {input.samples:q} \
            --settings {params.settings:q} \
            --results results \
            &> {log:q}
        """


rule score:
    """Score every cell with every method, block by block from disk."""
    input:
        matrix="results/matrix/{dataset}.h5ad",
        signatures="results/signatures.tsv",
    output:
        scores="results/scores/{dataset}.parquet",
        coverage="results/scores/{dataset}.coverage.tsv",
    log:
        "logs/score/{dataset}.log",
    benchmark:
        "logs/benchmarks/score/{dataset}.tsv"
    threads: 2
    resources:
        mem_mb=matrix_mb(factor=2, base=2000),
    params:
        settings=settings("score", "gate", "call.panel", "call.profile_method"),
        version=SENOSCORE_VERSION,
    shell:
        r"""
        senoscore score \
            --dataset {wildcards.dataset:q} \
            --settings {params.settings:q} \
            --threads {threads} \
            --results results \
            &> {log:q}
        """
